"""The stop rule."""

from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.stages.decide import decide, enough, stale_iterations
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Manifest
from judgeloop.schema.results import Decision, Funnel, Scores, Supply
from judgeloop.schema.scorecard import Interval, Scorecard
from judgeloop.store import FolderStore

MICRO = Path(__file__).parents[2] / "pipelines" / "configs" / "micro.yaml"


def validation(iteration: int, score: float) -> Manifest:
    card = Scorecard(
        n=1, accuracy=score, accuracy_interval=Interval(0, 1), both_orders=score,
        both_orders_interval=Interval(0, 1), first_position=None, undecided_verdicts=0,
        undecided=0.0, categories={},
    )  # fmt: skip
    scores = Scores(card=card, pairs="p", protocol="both orders")
    return Manifest(stage="validate", stage_version=1, key=str(iteration), result=scores)


def decision(scores: list[float], *changes: str) -> str:
    config = load_config(MICRO, ["loop.iterations=9", *changes])
    validations = [validation(iteration, score) for iteration, score in enumerate(scores)]
    store = FolderStore(Path("nowhere"))
    return decide(config, len(scores) - 1, validations, store).expect(Decision).action


@pytest.mark.parametrize(
    ("scores", "changes", "expected"),
    [
        ([0.1, 0.5], [], "continue"),
        ([0.1, 0.5, 0.6], [], "continue"),
        ([0.1, 0.5, 0.5], [], "stop"),
        ([0.1, 0.5, 0.4], [], "stop"),
        ([0.1, 0.05], [], "stop"),
        ([0.1, 0.5, 0.55], ["loop.min_delta=0.1"], "stop"),
        ([0.1, 0.5, 0.4], ["loop.patience=2"], "continue"),
        ([0.1, 0.5, 0.4, 0.45], ["loop.patience=2"], "stop"),
        ([0.1, 0.5, 0.4, 0.6], ["loop.patience=2"], "continue"),
        ([0.1, 0.5], ["loop.iterations=1"], "stop"),
    ],
)
def test_the_loop_goes_on_while_validation_rises(
    scores: list[float], changes: list[str], expected: str
) -> None:
    assert decision(scores, *changes) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 0.5))
def test_staleness_is_zero_after_a_rise_and_never_more_than_the_iterations(
    scores: list[float], min_delta: float
) -> None:
    assert 0 <= stale_iterations(scores, min_delta) <= len(scores) - 1
    assert stale_iterations([*scores, max(scores) + min_delta + 0.01], min_delta) == 0


def test_a_starved_loop_stops_with_the_funnel_and_its_three_causes() -> None:
    examples = Manifest(
        stage="filter",
        stage_version=1,
        key="x",
        result=Funnel(
            pairs=50, one_order=48, undecided=2, disagreeing=0, kept=0, kept_judgements=0,
            kinds={}, first_position=0.97,
        ),
    )  # fmt: skip
    made = enough(load_config(MICRO), examples)
    supply = made.expect(Supply)
    assert supply.action == "starved"
    for words in ("50 pairs", "48 one_order", "97%", "(1)", "(2)", "(3)"):
        assert words in supply.reason


def test_a_loop_id_goes_on_with_the_same_configuration_and_refuses_another(tmp_path: Path) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    ledger.begin(load_config(MICRO))
    ledger.begin(load_config(MICRO, ["report.gallery=3", "store=elsewhere"]))
    decided = Manifest(stage="decide", stage_version=1, key="k")
    ledger.record(Entry(stage="decide", iteration=1, manifest=decided))
    with pytest.raises(ConfigError, match=r"iterations.*another loop id"):
        ledger.begin(load_config(MICRO, ["loop.iterations=7"]))


def entry(iteration: int, stage: str, key: str, **found: Any) -> Entry:
    manifest = Manifest(stage=stage, stage_version=1, key=key, counts=found)
    return Entry(stage=stage, iteration=iteration, manifest=manifest, seconds=3600)


def failure(stage: str, error: str = "no server") -> Entry:
    return Entry(stage=stage, iteration=0, error=error, exit_code=8, seconds=0.2)


@pytest.mark.parametrize("stage", ["resolve", "ingest", "hold_out", "validate"])
def test_a_loop_refuses_another_start_than_it_was_begun_with(tmp_path: Path, stage: str) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    ledger.record(entry(0, stage, "a", rows=100))
    ledger.record(entry(0, stage, "a", rows=100))  # of unchanged inputs it goes on
    with pytest.raises(ConfigError, match=rf"'loop'.*`{stage}`.*100.*120.*another loop id"):
        ledger.record(entry(0, stage, "b", rows=120))
    with pytest.raises(ConfigError, match="content of the images"):
        ledger.record(entry(0, stage, "c", rows=100))
    ledger.record(failure(stage))  # what the refusal leaves does not open the door
    with pytest.raises(ConfigError):
        ledger.record(entry(0, stage, "b", rows=120))


def test_mended_gold_pairs_and_later_iterations_may_change_in_a_loop(tmp_path: Path) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    for made in (entry(0, "evaluate", "a"), entry(1, "train", "a")):
        ledger.record(made)
    for made in (entry(0, "evaluate", "b"), entry(1, "train", "b")):
        ledger.record(made)
        assert ledger.manifests(made.stage)[made.iteration] == [made.manifest]


def test_a_failure_hides_a_success_and_takes_nothing_from_it(tmp_path: Path) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    done = entry(0, "resolve", "a")
    ledger.record(done)
    ledger.record(failure("resolve"))
    assert ledger.entries() == ledger.failures() == [failure("resolve")]
    again = msgspec.structs.replace(done, seconds=0.2)  # found done: the first one's time counts
    ledger.record(again)
    assert ledger.entries() == [done]
    assert ledger.failures() == []


def test_a_run_that_begins_forgets_what_failed_before(tmp_path: Path) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    ledger.begin(load_config(MICRO))
    ledger.record(failure("ingest"))
    ledger.begin(load_config(MICRO))
    assert ledger.entries() == []


def test_manifests_of_a_stage_are_read_without_those_of_the_others(tmp_path: Path) -> None:
    class Counting(FolderStore):
        reads: ClassVar[list[str]] = []

        def read(self, key: str) -> bytes:
            self.reads.append(key)
            return super().read(key)

    ledger = Ledger(Counting(tmp_path), "loop")
    parts = [msgspec.structs.replace(entry(1, "judge", str(p)), partition=p) for p in (1, 0)]
    for made in (*parts, entry(2, "judge", "c"), entry(1, "prejudge", "d"), entry(1, "train", "e")):
        ledger.record(made)
    found = ledger.manifests("judge")
    assert {i: [m.key for m in manifests] for i, manifests in found.items()} == {
        1: ["0", "1"], 2: ["c"],
    }  # fmt: skip
    assert len(Counting.reads) == 3


@pytest.mark.parametrize(
    ("begun", "words"), [([], "never started"), (["loop.iterations=7"], "another configuration")]
)
def test_a_ledger_of_no_loop_or_of_another_one_is_told_apart(
    tmp_path: Path, begun: list[str], words: str
) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    if begun:
        ledger.begin(load_config(MICRO, begun))
    with pytest.raises(ConfigError, match=words):
        ledger.check(load_config(MICRO))


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", ".", ".."])
def test_a_loop_id_is_a_plain_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="loop id"):
        Ledger(FolderStore(tmp_path), name)
