"""The compiled pipeline: its structure, the linter's rules and the canonical digest."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from judgeloop.runtime.stage_table import stage_names, stages_of
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from pipelines.compile import compile_evaluation, compile_pipeline
from pipelines.digest import digest, digest_of
from pipelines.options import chosen_id
from pipelines.profile import read_profile
from pipelines.spec import read_spec
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / "tests/golden/judge_loop.sha256"
PROFILE, CPU = read_profile("one-gpu"), read_profile("cpu")
Document = dict[str, Any]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compiled") / "judge_loop.yaml"
    compile_pipeline(path, iterations=2, partitions=2, profile=PROFILE)
    return path


def dags(document: Document, prefix: str) -> list[Document]:
    """The task mappings of all graphs whose component begins with a prefix."""
    components = document["components"]
    return [c["dag"]["tasks"] for n, c in components.items() if n.startswith(prefix) and "dag" in c]


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments],
        cwd=REPOSITORY, env=os.environ | environment, check=False, capture_output=True, text=True,
    )  # fmt: skip


def test_two_compilations_have_one_digest_and_it_is_the_recorded_one(tmp_path: Path) -> None:
    done = command(
        "compile", "--out", str(tmp_path / "1.yaml"), "--iterations", "2", "--partitions", "1",
        PYTHONHASHSEED="1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = [done.stdout.split()[-1], compile_pipeline(tmp_path / "2.yaml", 2, 1, CPU)]
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
        digests.add(digest_of(spec))
    assert len(digests) == 4


@pytest.mark.parametrize("bound", [1, 4])
def test_every_iteration_lies_inside_the_gate_of_the_one_before(bound: int, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    compile_pipeline(path, iterations=bound, partitions=1, profile=PROFILE)
    spec = read_spec(path)
    (tasks,) = dags(spec.pipeline, "comp-loop")
    shown = []
    while tasks:
        shown += [
            (iteration_of(task), spec.component_of(task)["executorLabel"].removeprefix("exec-"))
            for task in tasks.values()
            if "executorLabel" in spec.component_of(task)
        ]
        gates = [task for task in tasks.values() if "triggerPolicy" in task]
        assert len(gates) <= 1
        tasks = spec.component_of(gates[0])["dag"]["tasks"] if gates else {}
    expected = [
        (i, stage)
        for i in range(1, bound + 1)
        for stage in ("filter", "enough", "train", "validate", "evaluate", "register", "decide")
    ]
    assert sorted(shown) == sorted(expected)


def iteration_of(task: Document) -> int:
    return int(task["inputs"]["parameters"]["iteration"]["runtimeValue"]["constant"])


def test_a_component_is_written_once_however_many_iterations_use_it(tmp_path: Path) -> None:
    counts = []
    for bound in (1, 4):
        path = tmp_path / f"{bound}.yaml"
        compile_pipeline(path, iterations=bound, partitions=2, profile=PROFILE)
        spec = read_spec(path)
        leaves = [each for each in spec.components.values() if "executorLabel" in each]
        counts.append((len(leaves), len(spec.executors), len(spec.kubernetes)))
    assert counts[0] == counts[1]
    outside = {spec.name for spec in stages_of("evaluation")}
    assert set(counts[0]) == {len(set(stage_names()) - outside)}


def test_the_package_holds_no_text_for_people(compiled: Path) -> None:
    spec = read_spec(compiled)
    for executor in spec.executors.values():
        assert '"""' not in executor["container"]["command"][-1]
    assert "description:" not in compiled.read_text()


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
    spec = read_spec(compiled)
    sources = {}
    for _, graph in spec.graphs():
        for task in graph["dag"]["tasks"].values():
            if spec.component_of(task).get("executorLabel") == "exec-train":
                source = task["inputs"]["artifacts"]["model"]["componentInputArtifact"]
                sources[iteration_of(task)] = source
    assert sources == {1: "pipelinechannel--model", 2: "pipelinechannel--train-trained"}


@pytest.mark.parametrize(
    ("iterations", "partitions", "name"), [(0, 1, "p.yaml"), (1, 0, "p.yaml"), (1, 1, "p.json")]
)
def test_bounds_below_one_and_other_endings_are_refused(
    iterations: int, partitions: int, name: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError):
        compile_pipeline(tmp_path / name, iterations, partitions, PROFILE)


def test_a_component_runs_in_the_image_of_its_role(compiled: Path) -> None:
    executors = read_spec(compiled).executors
    images = {label: executor["container"]["image"] for label, executor in executors.items()}
    assert images["exec-filter"] == os.environ["JUDGELOOP_IMAGE_CPU"]
    assert images["exec-train"] == os.environ["JUDGELOOP_IMAGE_GPU"]


def test_an_image_without_a_digest_is_compiled_for_this_machine_only(tmp_path: Path) -> None:
    options = ("--out", str(tmp_path / "p.yaml"), "--iterations", "1", "--partitions", "1")
    refused = command("compile", *options, JUDGELOOP_IMAGE_GPU="judgeloop-gpu:dev")
    assert refused.returncode == 1
    assert "the image judgeloop-gpu:dev is not named by its digest" in refused.stderr
    done = command("compile", *options, "--local", JUDGELOOP_IMAGE_GPU="judgeloop-gpu:dev")
    assert done.returncode == 0
    assert "for this machine only" in done.stderr


def test_an_evaluation_is_judged_in_shares_before_it_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.yaml"
    first = compile_evaluation(path, partitions=3, profile=PROFILE)
    spec = read_spec(path)
    assert set(spec.executors) == {
        "exec-resolve", "exec-judge-sets", "exec-record", "exec-watch"
    }  # fmt: skip
    (loop,) = [task for task in spec.pipeline["root"]["dag"]["tasks"].values()
               if "parameterIterator" in task]  # fmt: skip
    assert loop["parameterIterator"]["items"]["raw"] == "[0, 1, 2]"
    record = spec.pipeline["root"]["dag"]["tasks"]["record"]
    assert any(name.startswith("for-loop") for name in record["dependentTasks"])
    assert compile_evaluation(path, partitions=3, profile=PROFILE) == first
    with pytest.raises(ConfigError):
        compile_evaluation(path, partitions=0, profile=PROFILE)


@pytest.mark.parametrize(
    ("given", "pipeline", "expected"),
    [(None, "evaluate", "evaluation-micro-"), ("a", "evaluate", "evaluation-a"),
     ("evaluation-a", "evaluate", "evaluation-a"), (None, "loop", "micro-"), ("a", "loop", "a")],
)  # fmt: skip
def test_an_evaluation_is_told_from_a_loop_by_its_id(
    given: str | None, pipeline: str, expected: str
) -> None:
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml")
    assert chosen_id(config, "micro", given, pipeline).startswith(expected)
    with pytest.raises(ConfigError, match="begin with evaluation-"):
        chosen_id(config, "micro", "evaluation-a", "loop")
