"""What tells the answers of held-out pairs apart without looking, and that the report says it."""

from __future__ import annotations

import msgspec
import pytest

from judgeloop.evaluation.shortcuts import shortcuts
from judgeloop.report.history import read_history
from judgeloop.report.page import markdown_page
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.config import load_config
from judgeloop.schema.keys import fraction
from judgeloop.schema.records import Pair
from judgeloop.schema.results import Scores, Shortcut
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY
from tests.unit.test_decide import validation
from tests.unit.test_filter import pair

COLOURS = ("red", "blue", "green", "brown")


def pairs(chosen: str, rejected: str, n: int = 200) -> list[Pair]:
    """Pairs with a drawn colour in place of {c}."""
    return [
        msgspec.structs.replace(
            pair(at),
            chosen=chosen.format(c=COLOURS[int(4 * fraction("chosen", at))]),
            rejected=rejected.format(c=COLOURS[int(4 * fraction("rejected", at))]),
        )
        for at in range(n)
    ]


@pytest.mark.parametrize(
    ("name", "chosen", "rejected"),
    [
        ("longer", "a {c} circle on the left", "a {c} circle"),
        ("preamble", "Sure, a {c} circle", "Here we go: a {c} circle"),
        ("more frequent wording", "a {c} circle", "a {c} heptagon"),
        ("blind judge", "a {c} circle", "a {c} square"),
    ],
)
def test_a_rule_finds_the_give_away_that_it_is_for(name: str, chosen: str, rejected: str) -> None:
    made = pairs(chosen, rejected)
    if name == "more frequent wording":  # circles are everywhere
        made = [*made, *pairs("a {c} circle", "a {c} circle there", 40)]
    found = shortcuts(lambda: made)[name]
    assert found.guesses > 100
    assert found.right > 0.75 * found.guesses


def test_pairs_of_one_form_tell_no_rule_anything() -> None:
    found = shortcuts(lambda: pairs("a {c} disc", "a {c} disc", 400))
    assert found["preamble"] == Shortcut(guesses=0, right=0)
    blind = found["blind judge"]
    assert 0.35 < blind.right / blind.guesses < 0.65


def test_the_report_shows_the_rules_of_the_held_out_pairs(tmp_path: object) -> None:
    ledger = Ledger(FolderStore(tmp_path), "loop")  # type: ignore[arg-type]
    made = validation(0, 0.5)
    found = {
        "longer": Shortcut(guesses=100, right=80),
        "preamble": Shortcut(guesses=0, right=0),
        "blind judge": Shortcut(guesses=100, right=52),
    }
    scores = msgspec.structs.replace(made.expect(Scores), shortcuts=found)
    made = msgspec.structs.replace(made, result=scores)
    ledger.record(Entry(stage="validate", iteration=0, manifest=made))
    config = load_config(REPOSITORY / "pipelines/configs/micro.yaml")
    page = markdown_page(read_history(ledger, ""), config).replace("\\", "")
    assert "| longer | 100 | 0.800 [0.711, 0.867] | yes |" in page
    assert "| blind judge | 100 | 0.520 [0.423, 0.615] | not shown |" in page
    assert "| preamble |" not in page
