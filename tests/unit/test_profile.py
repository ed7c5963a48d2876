"""Profiles: what they refuse, and what of them is found in the compiled pipeline."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from judgeloop.cli.main import main
from judgeloop.ops.doctor.needs import parse_needs
from judgeloop.runtime.stage_table import STAGES, stage_spec
from judgeloop.schema.errors import ConfigError
from judgeloop.trainjob.place import VARIABLE
from pipelines.compile import compile_pipeline
from pipelines.placement import WATCHER
from pipelines.profile import FOLDER, Claim, Profile, Retry, Size, read_profile
from pipelines.spec import Spec, Tree, read_spec

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
MODEL = {spec.name for spec in STAGES if spec.gpu and spec.phases != ("evaluation",)}


@pytest.fixture(scope="module", params=NAMES)
def profile(request: pytest.FixtureRequest) -> Profile:
    return read_profile(request.param)


@pytest.fixture(scope="module")
def spec(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Spec:
    path = tmp_path_factory.mktemp("compiled") / "p.yaml"
    given = msgspec.structs.replace(
        profile, image_pull_secrets=("pull",), node_selector={"pool": "gpu"},
        model_cache=Claim(name="judgeloop-models", path="/models"),
    )  # fmt: skip
    compile_pipeline(path, iterations=1, partitions=1, profile=given)
    return read_spec(path)


def by_stage(spec: Spec) -> dict[str, tuple[Tree, Tree, Tree]]:
    """(task, container, Kubernetes settings) of one task of each stage."""
    found = {}
    for _, graph in spec.graphs():
        for task in graph["dag"]["tasks"].values():
            label = spec.component_of(task).get("executorLabel")
            if label is None:
                continue
            container = spec.executors[label]["container"]
            stage = container["args"][container["args"].index("--function_to_execute") + 1]
            found[stage] = (task, container, spec.kubernetes[label])
    return found


def size_of(stage: str, profile: Profile) -> Size:
    """What a task of a stage gets."""
    return WATCHER if stage == "watch" else getattr(profile, stage_spec(stage).gpu or "cpu")


def test_the_three_profiles_are_there() -> None:
    assert NAMES == ["cpu", "eight-gpu", "one-gpu"]


def test_every_task_has_a_timeout_secrets_a_retry_and_pull_secrets(
    spec: Spec, profile: Profile
) -> None:
    for stage, (task, _, settings) in by_stage(spec).items():
        size = size_of(stage, profile)
        assert settings["activeDeadlineSeconds"] == str(size.timeout_s)
        assert [each["secretName"] for each in settings["secretAsEnv"]] == [
            secret.name for secret in profile.secrets
        ]
        assert [each["configMapName"] for each in settings["configMapAsEnv"]] == [
            each.name for each in profile.settings
        ]
        assert settings["imagePullSecret"][0]["secretName"] == "pull"
        retry = task["retryPolicy"]
        assert retry["maxRetryCount"] == profile.retry.count
        assert retry["backoffDuration"] == f"{profile.retry.backoff_s}s"
        window_s = int(retry["backoffMaxDuration"].rstrip("s"))
        assert window_s > size.timeout_s * (1 + retry["maxRetryCount"])  # no attempt is cut short
        assert retry["backoffFactor"] == profile.retry.factor


def test_a_task_with_a_model_has_the_size_of_the_file(spec: Spec, profile: Profile) -> None:
    found = by_stage(spec)
    assert set(found) >= MODEL
    for stage in MODEL:
        _, container, settings = found[stage]
        size = getattr(profile, str(stage_spec(stage).gpu))
        resources = container["resources"]
        for way in ("Limit", "Request"):
            assert resources[f"resourceCpu{way}"] == size.cpu
            assert resources[f"resourceMemory{way}"] == size.memory
        gpus = {"resourceCount": str(size.gpus), "resourceType": profile.gpu_type}
        assert resources.get("accelerator", {}).items() >= (gpus if size.gpus else {}).items()
        assert bool(size.gpus) == ("accelerator" in resources)
        assert settings["nodeSelector"] == {"labels": {"pool": "gpu"}}
        assert settings.get("tolerations", []) == [
            msgspec.to_builtins(each) for each in profile.tolerations
        ]
        assert settings["pvcMount"][0]["constant"] == "judgeloop-models"
        assert {"name": "HF_HOME", "value": "/models/huggingface"} in container["env"]
        (first, *_) = [each["keyToEnv"] for each in settings["configMapAsEnv"]]
        assert "HF_HOME" not in {each["envVar"] for each in first}


def test_every_folder_that_a_task_writes_to_has_a_size(spec: Spec, profile: Profile) -> None:
    for stage, (_, _, settings) in by_stage(spec).items():
        sizes = {each["mountPath"]: each["sizeLimit"] for each in settings["emptyDirMounts"]}
        if stage in MODEL:
            size = getattr(profile, str(stage_spec(stage).gpu))
            assert sizes == {"/tmp": size.tmp, "/dev/shm": size.shm}
        else:
            assert sizes == {"/tmp": size_of(stage, profile).tmp}


def test_no_task_runs_as_root(spec: Spec) -> None:
    for _, _, settings in by_stage(spec).values():
        assert settings["securityContext"] == {"runAsNonRoot": True, "runAsUser": "1000"}


def test_a_task_without_a_model_has_the_size_of_the_file(spec: Spec, profile: Profile) -> None:
    for stage, (_, container, settings) in by_stage(spec).items():
        if stage not in MODEL:
            resources = container["resources"]
            assert resources["resourceMemoryLimit"] == size_of(stage, profile).memory
            assert resources["resourceCpuRequest"] == size_of(stage, profile).cpu
            assert "accelerator" not in resources
            assert "tolerations" not in settings


def test_the_command_compiles_a_training_task_that_creates_a_trainjob_and_has_no_gpu(
    tmp_path: Path,
) -> None:
    for name, more in (("task", ()), ("job", ("--trainjob",))):
        out = str(tmp_path / f"{name}.yaml")
        given = ("--out", out, "--partitions", "1", "--profile", "one-gpu", *more)
        assert main(["compile", *given]) == 0
    task, job = (
        by_stage(read_spec(tmp_path / f"{name}.yaml"))["train"][1] for name in ("task", "job")
    )
    assert "accelerator" in task["resources"]
    assert "accelerator" not in job["resources"]
    assert VARIABLE in {each["name"] for each in job["env"]}


def test_the_first_task_gets_the_sizes_to_compare_with_the_quota(
    spec: Spec, profile: Profile
) -> None:
    task, _, _ = by_stage(spec)["resolve"]
    given = task["inputs"]["parameters"]["needs"]["runtimeValue"]["constant"]
    needs = parse_needs(given)
    assert needs.tasks == profile.task_resources()
    assert {each.name for each in needs.secrets} == {each.name for each in profile.secrets}


def test_the_watcher_starts_where_a_secret_is_missing_and_outlives_every_window(
    profile: Profile, tmp_path: Path
) -> None:
    retry = Retry(count=2, window_s=200_000)
    given = msgspec.structs.replace(profile, retry=retry)
    compile_pipeline(tmp_path / "p.yaml", iterations=1, partitions=1, profile=given)
    found = by_stage(read_spec(tmp_path / "p.yaml"))
    task, _, settings = found["watch"]
    assert all(each["optional"] for each in [*settings["secretAsEnv"], *settings["configMapAsEnv"]])
    window_s = int(task["retryPolicy"]["backoffMaxDuration"].rstrip("s"))
    assert window_s > 3 * WATCHER.timeout_s
    assert task["inputs"]["parameters"]["start_within_s"]["runtimeValue"]["constant"] == 1800
    assert found["resolve"][0]["retryPolicy"]["backoffMaxDuration"] == "200000s"
    assert "dependentTasks" not in task


def test_the_first_task_mounts_the_volume_for_models_to_try_it(spec: Spec) -> None:
    task, _, settings = by_stage(spec)["resolve"]
    assert settings["pvcMount"][0]["mountPath"] == "/models"
    given = task["inputs"]["parameters"]["needs"]["runtimeValue"]["constant"]
    assert given["claim_path"] == "/models"
    assert "pvcMount" not in by_stage(spec)["filter"][2]


def test_nothing_is_cached_by_kubeflow(spec: Spec) -> None:
    """A driver that asks Kubeflow's cache ends the run where the API server is away."""
    assert not [s for s, (task, _, _) in by_stage(spec).items()
                if task["cachingOptions"].get("enableCache")]  # fmt: skip


def test_the_configuration_and_the_loop_id_are_all_that_a_run_is_given(spec: Spec) -> None:
    assert set(spec.pipeline["root"]["inputDefinitions"]["parameters"]) == {"config", "loop_id"}


def test_the_window_of_retries_holds_all_attempts_and_their_waits() -> None:
    retry = Retry(count=3, backoff_s=10, factor=3)
    assert retry.window_for(100) == 4 * 100 + 10 + 30 + 90
    assert Retry(count=3, window_s=500).window_for(100) == 500


GOOD = yaml.safe_load((FOLDER / "one-gpu.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gpu_typ": "x"}, "did you mean `gpu_type`?"),
        ({"tolerations": []}, "tolerations is empty"),
        ({"retry": {"count": 2, "factor": 1.5}}, "retry.factor"),
        ({"retry": {"count": 2, "window_s": 3600}}, "more than the longest timeout_s, 86400"),
        ({"secrets": [{"name": "a", "keys": ["HF_HOME"]}]}, "HF_HOME is no secret"),
        ({"training": {**GOOD["training"], "memory": "64 GB"}}, "training.memory"),
        ({"training": {**GOOD["training"], "shm": "64Gi"}}, "shm counts as memory"),
        ({"training": {"cpu": "1", "memory": "1Gi", "timeout_s": 1, "tmp": "1Gi"}}, "gpus"),
        ({"secrets": [{"name": "a", "keys": ["K"], "value": "hunter2"}]}, "unknown"),
        ({"secrets": [{"name": "a", "keys": ["K"]}], "settings": [{"name": "b", "keys": ["K"]}]},
         "['K'] more than once"),
        ({"retry": {"count": -1}}, "retry.count"),
    ],
)  # fmt: skip
def test_a_wrong_profile_is_refused_with_the_place(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(GOOD | change))
    with pytest.raises(ConfigError) as caught:
        read_profile(str(path))
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="Known: cpu, eight-gpu, one-gpu"):
        read_profile("two-gpu")
