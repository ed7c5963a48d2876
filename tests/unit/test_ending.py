"""How a run ended, and what follows, told from the ledger alone."""

from pathlib import Path
from typing import Literal

import pytest

from judgeloop.runtime.ending import read_ending
from judgeloop.runtime.ledger import AFTER_LOOP, Entry, Ledger
from judgeloop.runtime.reference import Reference, parse_reference, write_config
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError, DataError, StoreError
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Decision
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(FolderStore(tmp_path / "store"), "loop")


def enter(
    ledger: Ledger, stage: str, iteration: int, decision: Literal["continue", "stop"] | None = None
) -> None:
    result = None
    if decision is not None:
        result = Decision(action=decision, reason="why", score=0.5, best_before=0.4)
    manifest = Manifest(stage=stage, stage_version=1, key=f"{stage}{iteration}", result=result)
    ledger.record(Entry(stage=stage, iteration=iteration, manifest=manifest))


def fail(ledger: Ledger, stage: str, iteration: int, exit_code: int) -> None:
    ledger.record(Entry(stage=stage, iteration=iteration, error="it", exit_code=exit_code))


def test_a_loop_is_finished_when_promotion_is_done_whatever_kubeflow_says(ledger: Ledger) -> None:
    enter(ledger, "decide", 1, decision="stop")
    assert read_ending(ledger).state == "interrupted"  # promotion is missing
    enter(ledger, "promote", AFTER_LOOP)
    assert read_ending(ledger).state == "finished"
    fail(ledger, "report", AFTER_LOOP, 1)
    assert read_ending(ledger).state == "finished"


def test_a_loop_continues_where_nothing_of_the_next_iteration_was_begun(ledger: Ledger) -> None:
    enter(ledger, "decide", 1, decision="continue")
    enter(ledger, "decide", 2, decision="continue")
    assert read_ending(ledger)[:2] == ("continues", 2)
    assert read_ending(ledger).first == 3
    enter(ledger, "synthesize", 3)
    assert read_ending(ledger)[:2] == ("interrupted", 2)  # a pod was lost, and left no error
    assert "lost or killed" in read_ending(ledger).reason


@pytest.mark.parametrize(
    ("exit_code", "state"),
    [(2, "failed"), (3, "failed"), (4, "failed"), (10, "failed"),
     (1, "interrupted"), (5, "interrupted"), (6, "interrupted"), (7, "interrupted"),
     (8, "interrupted"), (9, "interrupted")],
)  # fmt: skip
def test_bad_data_and_configuration_last_and_other_faults_may_pass(
    exit_code: int, state: str, ledger: Ledger
) -> None:
    enter(ledger, "decide", 1, decision="continue")
    fail(ledger, "judge", 2, exit_code)
    assert read_ending(ledger).state == state
    assert "002-judge failed: it" in read_ending(ledger).reason


def test_a_cancel_comes_before_all_else_until_a_person_starts_the_loop_again(
    ledger: Ledger,
) -> None:
    enter(ledger, "decide", 1, decision="continue")
    ledger.cancel()
    assert read_ending(ledger).state == "cancelled"
    ledger.allow()
    assert read_ending(ledger).state == "continues"


def test_reruns_are_counted_anew_after_each_decision(ledger: Ledger) -> None:
    assert [ledger.count_rerun(0, 2) for _ in range(3)] == [1, 2, None]
    assert ledger.count_rerun(1, 2) == 1
    assert ledger.count_rerun(1, 0) is None


def test_a_reference_is_short_and_leads_to_the_configuration(tmp_path: Path) -> None:
    config = load_config(MICRO, [f"store={tmp_path}/store"])
    store = FolderStore(tmp_path / "store")
    text = str(write_config(store, "loop", config, first=3))
    assert len(text) < len(str(tmp_path)) + 100
    found = parse_reference(text)
    assert found.first == 3
    assert found.read("loop")[0] == config


def test_a_changed_or_missing_configuration_is_refused(tmp_path: Path) -> None:
    config = load_config(MICRO, [f"store={tmp_path}/store"])
    store = FolderStore(tmp_path / "store")
    given = write_config(store, "loop", config)
    with pytest.raises(ConfigError, match="submit the loop again"):
        given.read("other")
    store.write(f"loops/loop/config/{given.digest}.json", b"{}")
    with pytest.raises((DataError, StoreError)):
        given.read("loop")


@pytest.mark.parametrize(
    "text",
    ["", "s3://b/p", "s3://b?config=1", "?config=1&first=1", "s3://b?config=1&first=0",
     "s3://b?config=1&first=x"],
)  # fmt: skip
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a reference"):
        parse_reference(text)


def test_a_reference_keeps_the_query_of_nothing_but_itself() -> None:
    given = Reference("s3://bucket/a?b", "0" * 64, 7)
    assert parse_reference(str(given)) == given


def test_a_loop_may_have_more_than_a_thousand_iterations(ledger: Ledger) -> None:
    for iteration in (1000, 999, 2):
        enter(ledger, "decide", iteration, decision="continue")
    enter(ledger, "promote", AFTER_LOOP)
    names = ["002-decide", "999-decide", "1000-decide", "end-promote"]
    assert [entry.name for entry in ledger.entries()] == names
    assert list(ledger.manifests("decide")) == [2, 999, 1000]
    assert list(ledger.manifests("promote")) == [AFTER_LOOP]
