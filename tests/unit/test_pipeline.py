"""The compiled pipeline: its structure, the linter's rules and the canonical digest."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judgeloop.errors import ConfigError
from pipelines.compile import compile_pipeline
from pipelines.digest import digest
from pipelines.lint import lint
from pipelines.profile import UNCACHED, read_profile
from pipelines.spec import Spec, read_spec
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests/golden/judge_loop.sha256"
PROFILE = read_profile("one-gpu")
Document = dict[str, Any]
Planted = Callable[[Document], None]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "judge_loop.yaml"
    compile_pipeline(path, iterations=2, partitions=2, profile=PROFILE)
    return path


def write(spec: Spec, path: Path) -> Path:
    documents = (spec.pipeline, spec.platform)
    path.write_text("\n---\n".join(map(json.dumps, documents)))  # JSON is YAML, quicker to write
    return path


def dags(document: Document, prefix: str) -> list[Document]:
    """The task mappings of all graphs whose component begins with a prefix."""
    components = document["components"]
    return [c["dag"]["tasks"] for n, c in components.items() if n.startswith(prefix) and "dag" in c]


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("JUDGELOOP_IMAGE_")}
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=REPOSITORY, env={**kept, **environment}, check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_the_compiled_pipeline_passes_the_linter(compiled: Path) -> None:
    assert lint(compiled) == []


def test_two_compilations_have_one_digest_and_it_is_the_recorded_one(tmp_path: Path) -> None:
    found = []
    for seed in ("1", "2"):
        out = tmp_path / f"{seed}.yaml"
        done = command(
            "compile", "--out", str(out), "--iterations", "2", "--partitions", "1",
            PYTHONHASHSEED=seed,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.split()[-1])
    assert found[0] == found[1]
    assert found[0] == GOLDEN.read_text().strip(), (
        "what the pipeline does has changed; if that is meant, write the new digest "
        f"{found[0]} into tests/golden/judge_loop.sha256"
    )


def test_the_digest_sees_a_changed_bound_image_and_command(compiled: Path, tmp_path: Path) -> None:
    longer = tmp_path / "longer.yaml"
    digests = {
        digest(compiled),
        compile_pipeline(longer, iterations=3, partitions=2, profile=PROFILE),
    }
    for key, value in (("image", "other:1"), ("command", ["other"])):
        spec = copy.deepcopy(read_spec(compiled))
        next(iter(spec.executors.values()))["container"][key] = value
        digests.add(digest(write(spec, tmp_path / f"{key}.yaml")))
    assert len(digests) == 4


@pytest.mark.parametrize("bound", [1, 4])
def test_every_iteration_lies_inside_the_gate_of_the_one_before(bound: int, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    compile_pipeline(path, iterations=bound, partitions=1, profile=PROFILE)
    spec = read_spec(path)
    (tasks,) = dags(spec.pipeline, "comp-loop")
    shown = []
    while tasks:
        names = [task["taskInfo"]["name"] for task in tasks.values()]
        shown += [name for name in names if name.startswith("iteration-") and "/" in name]
        gates = [task for task in tasks.values() if "triggerPolicy" in task]
        assert len(gates) <= 1
        tasks = spec.component_of(gates[0])["dag"]["tasks"] if gates else {}
    expected = [
        f"iteration-{i}/{stage}"
        for i in range(1, bound + 1)
        for stage in ("gather", "enough", "learn", "decide")
    ]
    assert sorted(shown) == sorted(expected)


def test_promotion_waits_for_the_loop_but_for_no_branch_of_it(compiled: Path) -> None:
    (tasks,) = dags(read_spec(compiled).pipeline, "comp-exit-handler")
    promotion = tasks["promote"]
    assert "loop" in promotion["dependentTasks"]
    assert "triggerPolicy" not in promotion
    assert set(promotion["inputs"]) == {"parameters"}


def test_the_report_runs_when_the_rest_failed(compiled: Path) -> None:
    report = read_spec(compiled).pipeline["root"]["dag"]["tasks"]["report"]
    assert report["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_the_next_iteration_goes_on_from_the_trained_judge(compiled: Path) -> None:
    document = read_spec(compiled).pipeline
    sources = [
        tasks[name]["inputs"]["artifacts"]["model"]
        for prefix in ("comp-loop", "comp-condition")
        for tasks in dags(document, prefix)
        for name in tasks
        if name.startswith("gather")
    ]
    first, second = sources
    assert first == {"componentInputArtifact": "model"}
    assert "learn-model" in second["componentInputArtifact"]


def task_named(document: Document, stage: str) -> Document:
    graphs = [document["root"], *document["components"].values()]
    found = [g["dag"]["tasks"][stage] for g in graphs if stage in g.get("dag", {}).get("tasks", {})]
    return found[0]


def cached(stage: str) -> Planted:
    def plant(document: Document) -> None:
        task_named(document, stage)["cachingOptions"] = {"enableCache": True}

    return plant


def dangling_parameter(document: Document) -> None:
    parameters = task_named(document, "synthesize")["inputs"]["parameters"]
    parameters["partition"] = {"componentInputParameter": "pipelinechannel--memory"}


def dangling_artifact(document: Document) -> None:
    artifacts = task_named(document, "train")["inputs"]["artifacts"]
    artifacts["model"] = {"componentInputArtifact": "nowhere"}


def no_wait(document: Document) -> None:
    task_named(document, "judge")["dependentTasks"] = []


def unmade_output(document: Document) -> None:
    source = task_named(document, "judge")["inputs"]["artifacts"]["pairs"]["taskOutputArtifact"]
    source["outputArtifactKey"] = "peers"


def missing_input(document: Document) -> None:
    del task_named(document, "train")["inputs"]["artifacts"]["examples"]


def no_executor(document: Document) -> None:
    document["deploymentSpec"]["executors"].pop("exec-train")


def unknown_field(document: Document) -> None:
    task_named(document, "train")["cachingOption"] = {}


def unknown_container_field(document: Document) -> None:
    document["deploymentSpec"]["executors"]["exec-train"]["container"]["picture"] = "x"


def unread_condition(document: Document) -> None:
    task_named(document, "condition-1")["inputs"]["parameters"].pop(
        "pipelinechannel--enough-Output"
    )


def named_condition(document: Document) -> None:
    source = task_named(document, "condition-1")["inputs"]["parameters"]
    gate = source["pipelinechannel--enough-Output"]["taskOutputParameter"]
    gate["outputParameterKey"] = "verdict"


def one_of_artifact(document: Document) -> None:
    outputs = document["components"]["comp-gather"]["dag"]["outputs"]["artifacts"]
    outputs["examples"] = {
        "artifactSelectors": [{"producerSubtask": "a"}, {"producerSubtask": "b"}]
    }


def one_of_parameter(document: Document) -> None:
    outputs = document["components"]["comp-gather"]["dag"]["outputs"]
    outputs["parameters"] = {"best": {"valueFromOneof": {"parameterSelectors": []}}}


def outer_parameter_in_loop(document: Document) -> None:
    task = task_named(document, "for-loop-1")
    task["inputs"]["parameters"]["pipelinechannel--count"] = {
        "taskOutputParameter": {"producerTask": "filter", "outputParameterKey": "Output"}
    }


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        *((cached(stage), f"{stage} must not be cached") for stage in sorted(UNCACHED)),
        (dangling_parameter, "which the graph does not declare"),
        (dangling_artifact, "reads nowhere, which the graph does not declare"),
        (no_wait, "uses synthesize without waiting for it"),
        (unmade_output, "reads peers, which synthesize does not make"),
        (missing_input, "the required input examples is not given"),
        (no_executor, "comp-train: has no executor"),
        (unknown_field, "cachingOption"),
        (unknown_container_field, "picture"),
        (unread_condition, "which is no input of the task"),
        (named_condition, "reads the named output verdict"),
        (one_of_artifact, "output examples is a OneOf"),
        (one_of_parameter, "output best is a OneOf"),
        (outer_parameter_in_loop, "the loop body uses pipelinechannel--count"),
    ],
)
def test_a_planted_defect_is_found(
    plant: Planted, sentence: str, compiled: Path, tmp_path: Path
) -> None:
    spec = copy.deepcopy(read_spec(compiled))
    plant(spec.pipeline)
    assert [found for found in lint(write(spec, tmp_path / "broken.yaml")) if sentence in found]


@pytest.mark.parametrize(
    ("iterations", "partitions", "name"), [(0, 1, "p.yaml"), (1, 0, "p.yaml"), (1, 1, "p.json")]
)
def test_bounds_below_one_and_other_endings_are_refused(
    iterations: int, partitions: int, name: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        compile_pipeline(tmp_path / name, iterations, partitions, PROFILE)


def test_images_come_from_the_environment_by_role(tmp_path: Path) -> None:
    out = tmp_path / "p.yaml"
    done = command(
        "compile", "--out", str(out), "--iterations", "1", "--partitions", "1",
        JUDGELOOP_IMAGE_CPU="reg/cpu:1", JUDGELOOP_IMAGE_GPU="reg/gpu:2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    executors = read_spec(out).executors
    images = {label: executor["container"]["image"] for label, executor in executors.items()}
    assert images["exec-filter"] == "reg/cpu:1"
    assert images["exec-train"] == "reg/gpu:2"
