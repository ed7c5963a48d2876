"""The size of a run on a cluster: the estimate against what a real one recorded."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from judgeloop.schema.errors import ConfigError
from pipelines.compile import _compile_loop, compile_fitting, compile_pipeline
from pipelines.estimate import (
    LIMIT,
    NODE_RAW,
    PATCH_RAW,
    SPECIFICATION_BASE,
    SPECIFICATION_PER_BYTE,
    Estimate,
    estimate,
    status_compressed,
)
from pipelines.profile import read_profile
from pipelines.spec import read_spec
from tests.conftest import REPOSITORY

RECORDED = REPOSITORY.parent / "shared/cases/cluster/kfp"
PROFILE = read_profile("one-gpu")
PATCH, PATCH_IN_LOOP = 10_221, 11_018
"""Bytes of a task's patch in the recorded runs, by the estimate's own count."""
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded runs in {RECORDED}")


def nodes_of(name: str) -> list[dict[str, str]]:
    return list(json.loads((RECORDED / name).read_text())["status"]["nodes"].values())


def near(found: float, expected: float, share: float) -> bool:
    return abs(found - expected) <= share * expected


@recorded
def test_a_task_is_six_nodes_a_graph_four_and_a_loop_five_and_six_an_item() -> None:
    kinds = Counter((node["type"], node["templateName"]) for node in nodes_of(
        "workflow-loop-succeeds.json"))  # fmt: skip
    tasks = kinds["Pod", "system-container-driver"]
    drivers = kinds["Pod", "system-dag-driver"]
    loops = kinds["TaskGroup", "comp-for-loop-1-iteration"]
    loops += kinds["TaskGroup", "comp-for-loop-1-2-iteration"]
    items = kinds["DAG", "comp-for-loop-1-iteration"] + kinds["DAG", "comp-for-loop-1-2-iteration"]
    graphs = drivers - loops - items - 1  # the root's driver counts with the root
    assert kinds.total() == 8 + 6 * tasks + 4 * graphs + 5 * loops + 6 * items == 276
    assert 1 + 2 * tasks + graphs + loops + items == 80


@recorded
@pytest.mark.parametrize(
    ("name", "compressed", "raw"),
    [("workflow-loop-succeeds.json", 294_000, 2_855_000),
     ("workflow-too-large.json", 621_512, 6_634_828)],
)  # fmt: skip
def test_the_status_is_as_large_as_recorded(name: str, compressed: int, raw: int) -> None:
    nodes = nodes_of(name)
    tasks = [node for node in nodes if node["templateName"] == "retry-system-container-impl"
             and node["type"] == "Retry"]  # fmt: skip
    again = sum("iteration-item" in node["name"] for node in tasks)
    once, again = PATCH * (len(tasks) - again), PATCH_IN_LOOP * again
    assert near(status_compressed(len(nodes), once, again), compressed, 0.1)
    assert near(NODE_RAW * len(nodes) + PATCH_RAW * (once + again), raw, 0.1)


@recorded
def test_the_specification_of_the_recorded_loop_is_as_large_as_recorded() -> None:
    """Bytes of the packages as JSON that were submitted then, by iterations: 1, 2, 4 and 12."""
    packages = {1: 99_597, 2: 161_551, 4: 287_519, 12: 817_166}
    (bare,) = set(re.findall(r"bare (411517)", (RECORDED / "size-4x8-by-minute.tsv").read_text()))
    for iterations, size in packages.items():
        expected = 95_500 + 79_000 * iterations
        found = SPECIFICATION_BASE + SPECIFICATION_PER_BYTE * size
        assert near(found, expected, 0.05)
    assert near(SPECIFICATION_BASE + SPECIFICATION_PER_BYTE * packages[4], int(bare), 0.01)


@pytest.mark.slow
def test_what_a_real_cluster_died_of_in_one_run_fits(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    _, bound = compile_fitting(path, 4, 8, PROFILE)  # died after 33 minutes in iteration 3
    assert bound == 4
    assert estimate(read_spec(path)).fits


def test_more_iterations_than_fit_become_several_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sized(out: Path, iterations: int, partitions: int, *_: Any, **__: Any) -> Any:
        return Estimate(1, 1, 100_000, iterations * partitions * 100_000, 1)

    monkeypatch.setattr("pipelines.compile._compile_loop", sized)
    monkeypatch.setattr("pipelines.compile.estimate", lambda size: size)
    monkeypatch.setattr("pipelines.compile.digest_of", str)
    path = tmp_path / "p.yaml"
    assert compile_fitting(path, 3, 2, PROFILE)[1] == 3  # 700 of 838 KB
    assert compile_fitting(path, 20, 2, PROFILE)[1] == 3
    assert compile_fitting(path, 20, 5, PROFILE)[1] == 1
    assert compile_fitting(path, 20, 2, PROFILE, per_run=2)[1] == 2
    assert compile_fitting(path, 1, 2, PROFILE, per_run=2)[1] == 1
    with pytest.raises(ConfigError, match=r"1 iteration\(s\) of 8 partition"):
        compile_fitting(path, 4, 8, PROFILE)
    with pytest.raises(ConfigError, match=r"Set loop\.iterations_per_run lower"):
        compile_fitting(path, 20, 2, PROFILE, per_run=4)
    with pytest.raises(ConfigError, match="of the limit, and 80% are allowed"):
        compile_pipeline(path, 4, 8, PROFILE)


@pytest.mark.slow
def test_what_runs_on_this_machine_has_no_bound(tmp_path: Path) -> None:
    compile_pipeline(tmp_path / "p.yaml", 1, 100, PROFILE, local=True)
    assert not estimate(read_spec(tmp_path / "p.yaml")).fits


@pytest.mark.parametrize(("iterations", "partitions"), [(4, 2), (4, 8), (1, 64)])
def test_the_page_shows_what_is_estimated(iterations: int, partitions: int, tmp_path: Path) -> None:
    package = tmp_path / "p.yaml"
    size = estimate(
        _compile_loop(package, iterations, partitions, PROFILE, local=False, trainjob=False)
    )
    assert "(2 of them the watcher's)" in str(size)
    text = (REPOSITORY / "docs/kubeflow.md").read_text()
    (row,) = [line for line in text.splitlines()
              if line.startswith(f"| {iterations} x {partitions} |")]  # fmt: skip
    shown = re.match(r" (\d+) pods, (\d+) % of the limit", row.split("|")[3])
    assert shown is not None
    assert int(shown[1]) == size.pods
    assert abs(int(shown[2]) - size.total / LIMIT * 100) < 2  # longer names of images count


@pytest.mark.slow
def test_the_page_shows_in_how_many_runs_a_long_loop_is_done(tmp_path: Path) -> None:
    package = tmp_path / "p.yaml"
    _, bound = compile_fitting(package, 20, 2, PROFILE)
    size = estimate(read_spec(package))
    said = f"three runs of at most {bound} iterations, {size.pods} pods and "
    assert bound * 3 >= 20 > bound * 2
    assert said in (REPOSITORY / "docs/kubeflow.md").read_text()
