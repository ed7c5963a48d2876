"""Every kind of bad input gives a clear error or a counted quarantine, and the docs show it."""

import os
import re
from pathlib import Path

import pytest

from tests.bad_input import CASES, Case, Outcome
from tests.bad_input.case import GOOD
from tests.bad_input.page import PAGE, page

SEEN: dict[str, Outcome] = {}
"""By the case's name; filled by the first test that asks."""


def outcome_of(case: Case, folder: Path) -> Outcome:
    if case.name not in SEEN:
        folder.mkdir(exist_ok=True)
        SEEN[case.name] = case.run(folder)
    return SEEN[case.name]


def test_no_two_cases_have_one_name() -> None:
    assert CASES
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_gives_a_clear_error_or_a_counted_quarantine_beside_good_rows(
    case: Case, tmp_path: Path
) -> None:
    seen = outcome_of(case, tmp_path)
    assert seen.code == case.code, seen.message
    assert "Traceback" not in seen.message
    assert re.search(case.words, seen.message), seen.message
    bad = {name: n for name, n in seen.counts.items() if "dropped/" in name or "undecided/" in name}
    if case.code:
        assert len(seen.message) > 20
        assert not seen.rows
    elif case.accepted:
        assert not bad
        assert seen.rows == ("q0", "q1", "q2")
    else:
        expected = f"dropped/{case.reason}" if case.reason else f"undecided/{case.undecided}"
        assert bad == {expected: 1}
        assert seen.rows == GOOD


def test_the_page_shows_what_was_seen(tmp_path: Path) -> None:
    seen = {case.name: outcome_of(case, tmp_path / str(n)) for n, case in enumerate(CASES)}
    text = page(seen)
    if os.environ.get("RENEW_DOCS"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, f"{PAGE.name} is out of date; it says itself how to renew it"
