"""The stop rule."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.config import load_config
from judgeloop.errors import ConfigError
from judgeloop.ledger import Entry, Ledger
from judgeloop.records import Manifest
from judgeloop.stages.decide import decide, decide_starved, stale_iterations
from judgeloop.store import FolderStore

MICRO = Path(__file__).parents[2] / "pipelines" / "configs" / "micro.yaml"


def ledger_with(folder: Path, scores: list[float]) -> Ledger:
    ledger = Ledger(FolderStore(folder), "loop")
    for iteration, score in enumerate(scores):
        manifest = Manifest(
            stage="validate", stage_version=1, key=str(iteration), metrics={"both_orders": score}
        )
        ledger.record(Entry(stage="validate", iteration=iteration, manifest=manifest))
    return ledger


def decision(folder: Path, scores: list[float], *changes: str) -> str:
    config = load_config(MICRO, ["loop.iterations=9", *changes])
    made = decide(config, ledger_with(folder, scores), len(scores) - 1)
    return made.details["decision"]


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
    tmp_path: Path, scores: list[float], changes: list[str], expected: str
) -> None:
    assert decision(tmp_path, scores, *changes) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0, 0.5))
def test_staleness_is_zero_after_a_rise_and_never_more_than_the_iterations(
    scores: list[float], min_delta: float
) -> None:
    assert 0 <= stale_iterations(scores, min_delta) <= len(scores) - 1
    assert stale_iterations([*scores, max(scores) + min_delta + 0.01], min_delta) == 0


def test_a_starved_loop_stops_with_the_funnel_and_its_three_causes(tmp_path: Path) -> None:
    examples = Manifest(
        stage="filter", stage_version=1, key="x", metrics={"first_position": 0.97},
        counts={"pairs": 50, "one_order_pairs": 48, "undecided_pairs": 2, "examples": 0},
    )  # fmt: skip
    made = decide_starved(load_config(MICRO), ledger_with(tmp_path, [0.1]), 1, examples)
    assert made.details["decision"] == "stop"
    for words in ("50 pairs", "48 one_order", "97%", "(1)", "(2)", "(3)"):
        assert words in made.details["reason"]


def test_a_loop_id_goes_on_with_the_same_configuration_and_refuses_another(tmp_path: Path) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")
    ledger.begin(load_config(MICRO))
    ledger.begin(load_config(MICRO, ["report.gallery=3", "store=elsewhere"]))
    with pytest.raises(ConfigError, match=r"iterations.*another loop id"):
        ledger.begin(load_config(MICRO, ["loop.iterations=7"]))


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b"])
def test_a_loop_id_is_a_plain_word(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="loop id"):
        Ledger(FolderStore(tmp_path), name)
