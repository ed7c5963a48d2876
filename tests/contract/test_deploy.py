"""A registered judge is served on a cluster as it was trained, by checksum, or is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy
import pytest
import yaml
from safetensors.numpy import save_file

from judgeloop.cli.main import main
from judgeloop.models.fetch import base_location
from judgeloop.models.hub import fetch_model
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.ops.fetch_judge import fetch_judge
from judgeloop.ops.served_judge import ServedJudge, served_judge
from judgeloop.registry.client import connect
from judgeloop.schema.errors import ConfigError, EngineError, RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.results import Training
from judgeloop.store import folder_checksums, sha256_bytes, upload_folder
from k8s.check import check
from pipelines.profile import Claim, read_profile
from pipelines.serving.pod import server_arguments, serving_pod
from tests.registry_loop import Loop

IMAGE = f"registry.example/judgeloop-gpu@sha256:{'2' * 64}"
Tree = dict[str, Any]


def save_adapter(folder: Path) -> None:
    """An adapter of the tiny model, as PEFT writes one."""
    folder.mkdir(parents=True)
    layer = "base_model.model.model.text_model.layers.0.self_attn.q_proj"
    config = json.loads((base_location(describe_base(BUILTIN, None)) / Path("config.json"))
                        .read_text())["text_config"]  # fmt: skip
    width = config["hidden_size"]
    save_file(
        {f"{layer}.lora_A.weight": numpy.full((4, width), 0.1, numpy.float32),
         f"{layer}.lora_B.weight": numpy.full((width, 4), 0.1, numpy.float32)},
        folder / "adapter_model.safetensors",
    )  # fmt: skip
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "task_type": None,
                "target_modules": r".*text_model.*\.q_proj",
                "base_model_name_or_path": BUILTIN}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(settings))


class RealLoop(Loop):
    """A loop whose adapters fit the tiny model."""

    def trained(self, iteration: int, folder: Path) -> Manifest:
        adapter = folder / f"adapter-{iteration}"
        save_adapter(adapter)
        key = content_key("train", iteration)
        upload_folder(self.store, adapter, f"train/{key}/adapter")
        model = ModelRef(
            base=self.base.base, revision=self.base.revision, base_sha256=self.base.base_sha256,
            adapter=f"train/{key}/adapter", adapter_sha256=content_key(folder_checksums(adapter)),
        )  # fmt: skip
        result = Training(examples=1, last_loss=0.5, losses=((1, 2.0), (2, 0.5)))
        made = Manifest(stage="train", stage_version=1, key=key, model=model, result=result)
        return self.record(made, iteration)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with the judge `deployed`, version 1 its champion, and one on an Mllama."""
    folder = tmp_path_factory.mktemp("registry")
    uri = f"sqlite:///{folder}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.chdir(folder)
        loop = RealLoop(folder / "store", "deployed")
        loop.base = describe_base(BUILTIN, None)
        loop.register(1, folder, 30, 30)
        connect().set_registered_model_alias("deployed", "champion", "1")
        mllama = folder / "mllama"
        mllama.mkdir()
        (mllama / "config.json").write_text('{"model_type": "mllama"}')
        other = RealLoop(folder / "store-2", "llama")
        other.base = describe_base(str(mllama), None)
        other.register(1, folder / "llama", 30, 30)
        yield uri


@pytest.fixture
def pinned(registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    monkeypatch.setenv("JUDGELOOP_IMAGE_GPU", IMAGE)


def deployed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[Tree]:
    assert main(["deploy", *arguments]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def test_a_deployment_fetches_by_checksum_serves_lora_and_is_probed(
    pinned: None, capsys: pytest.CaptureFixture[str]
) -> None:
    made = deployed(capsys, "--judge", "models:/deployed@champion")
    assert list(check(made)) == []
    deployment, service = made
    pod = deployment["spec"]["template"]["spec"]
    ((fetch,), (server,)) = pod["initContainers"], pod["containers"]
    digest = served_judge("models:/deployed/1").adapter_sha256
    assert fetch["args"] == ["models:/deployed/1", "/models", f"--adapter-sha256={digest}"]
    assert fetch["image"] == server["image"] == IMAGE
    assert server["command"] == ["vllm", "serve", "/models/base"]
    named = f"adapter-{digest[:16]}=/models/adapter"
    assert {"judge=/models/adapter", named, "--max-lora-rank=8", "--dtype=float32"} <= set(
        server["args"]
    )
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert server[probe]["httpGet"] == {"path": "/health", "port": "http"}
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels == deployment["spec"]["selector"]["matchLabels"]


def test_an_inference_service_is_the_same_pod_in_kserve_s_form(
    pinned: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "judge.yaml"
    given = ["--judge", "models:/deployed/1", "--as", "kserve", "--out", str(out)]
    assert main(["deploy", *given]) == 0
    assert f"kubectl apply -f {out}" in capsys.readouterr().out
    assert "&id" not in out.read_text()
    (made,) = yaml.safe_load_all(out.read_text())
    assert (made["apiVersion"], made["kind"]) == (
        "serving.kserve.io/v1beta1", "InferenceService",
    )  # fmt: skip
    assert list(check([made])) == []
    (plain, _) = deployed(capsys, "--judge", "models:/deployed/1")
    pod = plain["spec"]["template"]["spec"]
    theirs = {name: made["spec"]["predictor"][name] for name in pod}
    theirs["containers"][0]["name"] = "vllm"
    assert theirs == pod


def test_secrets_are_named_and_the_server_gets_its_clients_key_alone(
    pinned: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-to-be-written")
    deployment, _ = deployed(capsys, "--judge", "models:/deployed/1")
    assert "not-to-be-written" not in str(deployment)
    pod = deployment["spec"]["template"]["spec"]
    secrets = {
        place["name"]: {
            each["name"] for each in place["env"]
            if "secretKeyRef" in each.get("valueFrom", {})
        }
        for place in (*pod["initContainers"], *pod["containers"])
    }  # fmt: skip
    assert secrets == {
        "fetch": {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_URI", "HF_TOKEN"},
        "vllm": {"VLLM_API_KEY"},
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--judge", "models:/llama/1"], "vLLM runs Llama 3.2 Vision up to 0.10.2 only"),
        (["--judge", "builtin:tiny-vlm"], "only a registered version is deployed"),
        (["--judge", "models:/deployed/1", "--profile", "cpu"], "gives inference no GPU"),
        (["--judge", "models:/deployed/1", "--name", "Judge"], "--name 'Judge'"),
        (["--judge", "models:/deployed/7"], "models:/deployed/7"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(
    given: list[str], said: str, pinned: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["deploy", *given]) != 0
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_an_image_without_a_digest_is_refused(
    pinned: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGELOOP_IMAGE_GPU", "judgeloop-gpu:latest")
    assert main(["deploy", "--judge", "models:/deployed/1"]) == 2
    assert "has no digest" in capsys.readouterr().err


def test_the_init_container_leaves_base_and_adapter_and_may_start_again(
    pinned: None, tmp_path: Path
) -> None:
    digest = served_judge("models:/deployed/1").adapter_sha256
    for _ in range(2):
        fetch_judge("models:/deployed/1", tmp_path / "models", digest)
    assert (tmp_path / "models/base/config.json").is_file()
    assert content_key(folder_checksums((tmp_path / "models/adapter").resolve())) == digest
    with pytest.raises(RegistryError, match="was to be served"):
        fetch_judge("models:/deployed/1", tmp_path / "other", "0" * 64)
    with pytest.raises(ConfigError, match=r"0\.10\.2"):
        fetch_judge("models:/llama/1", tmp_path / "llama", digest)


def test_a_hub_s_model_is_compared_with_the_hash_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    commit = "1" * 40
    model = tmp_path / "models--owner--name"
    blob = model / "blobs" / sha256_bytes(b"weights")
    link = model / "snapshots" / commit / "model.safetensors"
    for path in (blob, link):
        path.parent.mkdir(parents=True)
    blob.write_bytes(b"weights")
    link.symlink_to(blob)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_model("owner/name", commit) == link.parent
    blob.write_bytes(b"wights")
    with pytest.raises(EngineError, match=r"model\.safetensors in the cache has other bytes"):
        fetch_model("owner/name", commit)
    with pytest.raises(EngineError, match="neither the hub nor the local cache"):
        fetch_model("owner/other", commit)


def test_a_profile_s_cache_of_models_is_where_the_base_lies() -> None:

    profile = msgspec.structs.replace(
        read_profile("eight-gpu"), model_cache=Claim(name="models", path="/cache")
    )
    pod = serving_pod(JUDGE, profile, IMAGE, "vllm")
    env = {each["name"]: each.get("value") for each in pod["initContainers"][0]["env"]}
    assert (env["HF_HOME"], env["XDG_CACHE_HOME"]) == ("/cache/huggingface", "/cache/cache")
    mount = {"name": "cache", "mountPath": "/cache", "readOnly": True}
    assert mount in pod["containers"][0]["volumeMounts"]


JUDGE = ServedJudge(
    address="models:/judge/3", base="owner/base", revision="0" * 40, base_sha256="",
    adapter_sha256="1" * 64, rank=16, dtype="bfloat16", max_images=4, memory_share=0.9,
    max_model_len=None,
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_vllm_s_own_parser_takes_the_arguments() -> None:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    taken = make_arg_parser(FlexibleArgumentParser()).parse_args(server_arguments(JUDGE, 8))
    assert [each.name for each in taken.lora_modules] == ["judge", "adapter-1111111111111111"]
    assert (taken.max_lora_rank, taken.tensor_parallel_size, taken.port) == (16, 8, 8080)
    assert taken.served_model_name == ["base"]
