"""Profiles: what they refuse, and what of them is found in the compiled pipeline."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from judgeloop.schema.errors import ConfigError
from pipelines.compile import compile_pipeline
from pipelines.profile import FOLDER, INFERENCE, TRAINING, UNCACHED, Profile, read_profile
from pipelines.spec import Spec, Tree, read_spec

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
MODEL = INFERENCE | TRAINING


@pytest.fixture(scope="module", params=NAMES)
def profile(request: pytest.FixtureRequest) -> Profile:
    return read_profile(request.param)


@pytest.fixture(scope="module")
def spec(profile: Profile, tmp_path_factory: pytest.TempPathFactory) -> Spec:
    path = tmp_path_factory.mktemp("compiled") / "p.yaml"
    given = msgspec.structs.replace(profile, uncached=("judge",), image_pull_secrets=("pull",))
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


def test_the_three_profiles_are_there() -> None:
    assert NAMES == ["cpu", "eight-gpu", "one-gpu"]


def test_every_task_has_a_timeout_secrets_a_retry_and_pull_secrets(
    spec: Spec, profile: Profile
) -> None:
    for stage, (task, _, settings) in by_stage(spec).items():
        size = profile.training if stage in TRAINING else profile.cpu
        size = profile.inference if stage in INFERENCE else size
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
        assert retry["backoffMaxDuration"] == f"{profile.retry.max_backoff_s}s"


def test_a_task_with_a_model_takes_its_size_from_the_run(spec: Spec, profile: Profile) -> None:
    found = by_stage(spec)
    assert set(found) >= MODEL
    for stage in MODEL:
        _, container, settings = found[stage]
        kind = "training" if stage in TRAINING else "inference"
        resources = container["resources"]
        asked = {
            name: f"{{{{$.inputs.parameters['pipelinechannel--{kind}_{name}']}}}}"
            for name in ("cpu", "memory", "gpus")
        }
        for name in ("cpu", "memory"):
            for way in ("Limit", "Request"):
                assert resources[f"resource{name.capitalize()}{way}"] == asked[name]
        assert resources["accelerator"]["resourceType"] == profile.gpu_type
        assert resources["accelerator"]["resourceCount"] == asked["gpus"]
        node = settings["nodeSelector"]["nodeSelectorJson"]["componentInputParameter"]
        (toleration,) = settings["tolerations"]
        given = toleration["tolerationJson"]["componentInputParameter"]
        assert (node, given) == ("node_selector", "tolerations")
        assert settings["emptyDirMounts"][0]["mountPath"] == "/dev/shm"
        assert settings["pvcMount"][0]["constant"] == "judgeloop-models"


def test_a_task_without_a_model_has_the_size_of_the_file(spec: Spec, profile: Profile) -> None:
    for stage, (_, container, settings) in by_stage(spec).items():
        if stage not in MODEL:
            resources = container["resources"]
            assert resources["resourceMemoryLimit"] == profile.cpu.memory
            assert resources["resourceCpuRequest"] == profile.cpu.cpu
            assert "accelerator" not in resources
            assert "tolerations" not in settings


def test_the_first_task_gets_the_sizes_of_the_run_and_no_defaults(
    spec: Spec, profile: Profile
) -> None:
    task, _, _ = by_stage(spec)["resolve"]
    given = task["inputs"]["parameters"]
    sizes = set(profile.arguments()) - {"node_selector", "tolerations"}
    assert {name: given[name] for name in sizes} == {
        name: {"componentInputParameter": f"pipelinechannel--{name}"} for name in sizes
    }
    assert given["gpu_type"] == {"runtimeValue": {"constant": profile.gpu_type}}


def test_the_profile_and_the_stage_say_what_is_cached(spec: Spec) -> None:
    off = {
        stage
        for stage, (task, _, _) in by_stage(spec).items()
        if not task["cachingOptions"].get("enableCache")
    }
    assert off == UNCACHED | {"judge"}


def test_the_sizes_of_the_profile_are_the_defaults_of_the_parameters(
    spec: Spec, profile: Profile
) -> None:
    parameters = spec.pipeline["root"]["inputDefinitions"]["parameters"]
    defaults = {name: parameters[name].get("defaultValue") for name in profile.arguments()}
    assert defaults == profile.arguments()


GOOD = yaml.safe_load((FOLDER / "one-gpu.yaml").read_text())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gpu_typ": "x"}, "did you mean `gpu_type`?"),
        ({"tolerations": []}, "tolerations is empty"),
        ({"uncached": ["jugde"]}, "no stage ['jugde']"),
        ({"training": {**GOOD["training"], "memory": "64 GB"}}, "training.memory"),
        ({"training": {**GOOD["training"], "shm": "64Gi"}}, "shm counts as memory"),
        ({"training": {"cpu": "1", "memory": "1Gi", "timeout_s": 1}}, "gpus"),
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
