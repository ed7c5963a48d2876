"""The stand-in for Kubeflow's API gives what the recorded one gave, field by field."""

import json
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import kfp_server
from tests.conftest import REPOSITORY
from tests.kfp_answers import new_run
from tests.kfp_server import STATELESS_LOOKS, Running

KFP = REPOSITORY.parent / "shared/cases/cluster/kfp"
pytestmark = pytest.mark.skipif(not KFP.is_dir(), reason=f"no recorded answers in {KFP}")
Tree = dict[str, Any]
Shape = dict[str, set[str]]
FORMS = {
    "not ended": r"(0001|1970)-01-01T00:00:00Z",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "uuid": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "state": r"PENDING|RUNNING|CANCELING|SUCCEEDED|FAILED|SKIPPED",
    "number": r"\d+",
}
OPTIONAL = {"runtime_config", "pipeline_version_reference", "run_details"}
"""What some recorded runs do not have: one submitted as a file, one refused for its size."""
LOG = "".join(
    f"12:00:0{at}.123 - INFO - Executing task '{task}'\n" for at, task in enumerate(("a", "b"))
)
"""Of KFP's local runner, after two tasks began."""


def form(value: Any) -> str:
    """The kind of a value: a type, of text also what it looks like."""
    if not isinstance(value, str):
        return type(value).__name__
    found = (name for name, pattern in FORMS.items() if re.fullmatch(pattern, value))
    return next(found, "text")


def shape(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each path of an answer with the kind of what lies there; nothing of our own parameters."""
    yield path, form(value)
    if path == ".runtime_config.parameters":
        return
    if isinstance(value, dict):
        state = value.get("state") if path.endswith("task_details[]") else None
        for key, below in value.items():
            kind = f"{path}({state})" if path.endswith("task_details[]") else path
            yield from shape(below, f"{kind}.{key}")
    elif isinstance(value, list):
        for below in value:
            yield from shape(below, f"{path}[]")


def shapes(runs: Any) -> dict[str | None, Shape]:
    """By state of the run, all that answers have shown."""
    found: dict[str | None, Shape] = defaultdict(lambda: defaultdict(set))
    for run in runs:
        for path, kind in shape(run):
            found[run.get("state")][path].add(kind)
    return found


def recorded() -> Iterator[Tree]:
    for path in sorted(KFP.glob("runs/*.ndjson")):
        for line in path.read_text().splitlines():
            yield json.loads(line)["run"]


class Stood:
    """A run of the stand-in; its child does what a program does, instead of the pipeline."""

    def __init__(self, folder: Path, program: str, patch: pytest.MonkeyPatch) -> None:
        (folder / "program").write_text(f"#!/bin/sh\n{program}\n")
        (folder / "program").chmod(0o755)
        patch.setattr(kfp_server.sys, "executable", str(folder / "program"))
        some = "40f1f13c-b6ab-4397-a3fb-be1f49b9afec"
        body = {
            "display_name": "one", "experiment_id": some,
            "pipeline_version_reference": {"pipeline_id": some, "pipeline_version_id": some},
            "runtime_config": {"parameters": {"config": "x", "loop_id": "one"}},
        }  # fmt: skip
        run = new_run(body, some)
        self.running = Running(folder / "run", run, b"", execute=True)
        (folder / "run/run.log").write_text(LOG)

    def answers(self) -> Iterator[Tree]:
        """What is told until the run has ended."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            told = json.loads(json.dumps(self.running.look()))
            yield told
            if told.get("state") in ("SUCCEEDED", "FAILED"):
                return
            time.sleep(0.01)
        raise AssertionError("the run does not end")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Tree]:
    """Answers about a run that succeeds, one that fails and one that is cancelled."""
    found = []
    for name, program in (("a", "sleep 0.1"), ("b", "sleep 0.1; exit 1"), ("c", "sleep 60")):
        (tmp_path / name).mkdir()
        stood = Stood(tmp_path / name, program, monkeypatch)
        for at, answer in enumerate(stood.answers()):
            found.append(answer)
            if name == "c" and at > STATELESS_LOOKS:
                (tmp_path / name / "program").write_text("#!/bin/sh\nsleep 0.1\n")
                stood.running.end() if answer["state"] == "RUNNING" else None
    return found


def test_the_stand_in_has_the_fields_and_kinds_of_the_recorded_answers_at_each_moment(
    told: list[Tree],
) -> None:
    ours, theirs = shapes(told), shapes(recorded())
    assert set(ours) == {None, "RUNNING", "CANCELING", "SUCCEEDED", "FAILED"}
    unlike = {
        f"{state} {path}": (kinds, theirs[state].get(path))
        for state, found in ours.items() for path, kinds in found.items()
        if not kinds <= theirs[state].get(path, set())
    }  # fmt: skip
    assert unlike == {}


def test_the_stand_in_lacks_nothing_that_every_recorded_answer_has(told: list[Tree]) -> None:
    always: dict[str | None, set[str]] = {}
    for run in recorded():
        keys = set(run) - OPTIONAL
        always[run.get("state")] = always.get(run.get("state"), keys) & keys
    for run in told:
        assert set(run) >= always[run.get("state")]
        if run.get("state"):
            assert set(run) >= OPTIONAL


def test_the_stand_ins_nodes_have_the_fields_of_the_recorded_ones_by_state(
    told: list[Tree],
) -> None:
    def fields(runs: Any) -> dict[str | None, set[frozenset[str]]]:
        found: dict[str | None, set[frozenset[str]]] = defaultdict(set)
        for run in runs:
            for each in run.get("run_details", {}).get("task_details", []):
                found[each.get("state")].add(frozenset(each))
        return found

    ours, theirs = fields(told), fields(recorded())
    assert {"RUNNING", "SUCCEEDED", "PENDING", None} == set(ours)
    for state, found in ours.items():
        assert found <= theirs[state], state


def test_the_states_of_a_run_follow_each_other_as_recorded(told: list[Tree]) -> None:
    def passages(runs: Any) -> set[tuple[str | None, ...]]:
        return {
            tuple(each.get("state") for each in run["state_history"])
            for run in runs if run.get("state") in ("SUCCEEDED", "FAILED")
        }  # fmt: skip

    assert passages(told) <= passages(recorded())


def test_a_field_that_no_answer_has_is_seen() -> None:
    run = next(recorded())
    assert set(shape(run | {"colour": 1})) - set(shape(run)) == {(".colour", "int")}
    assert form("2026-01-01T00:00:00.123Z") == "text"


def test_the_id_that_a_run_is_told_is_the_label_of_its_pods() -> None:
    """Kubeflow fills in the placeholder of the run's id with what it gives its drivers."""
    driver = json.loads((KFP / "pods/driver.json").read_text())
    label = driver["metadata"]["labels"]["pipeline/runid"]
    (run_id,) = {run["run_id"] for run in recorded() if run["run_id"] == label}
    text = json.dumps(driver)
    assert re.search(rf'--run_id[\\",\s]+{run_id}', text)
