"""Each kind of fault that users reported has a table of cases, a third of them unreported."""

import os
import re

import pytest

from tests.conftest import REPOSITORY
from tests.reported_faults import POINTS, Point, counted, table

PAGE = REPOSITORY / "tests/guarantees.md"
FEWEST = {"answers counted in a vote": 200, "verdicts": 150}
"""Cases that a point needs; others need six."""


def test_there_are_fourteen_kinds() -> None:
    assert len({point.title for point in POINTS}) == len(POINTS) == 14


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.title)
def test_a_kind_of_fault_has_a_table_of_which_a_third_is_in_no_report(point: Point) -> None:
    found = counted(point)
    assert found.cases >= FEWEST.get(point.title, 6), found
    assert 3 * found.unreported >= found.cases, found


def test_the_page_promises_no_more_cases_than_there_are() -> None:
    pattern = r"(?s)\| kind of fault \| cases .*?(?=\n\n)"
    text = PAGE.read_text()
    if os.environ.get("RENEW_DOCS"):
        text = re.sub(pattern, lambda _: table(), text, count=1)
        PAGE.write_text(text)
    shown = re.findall(r"\n\| \d+\. (.+?) \| (\d+) \| (\d+) \|", text)
    assert [title for title, _, _ in shown] == [point.title for point in POINTS]
    for point, (_, cases, unreported) in zip(POINTS, shown, strict=True):
        found = counted(point)
        assert int(cases) <= found.cases, point.title
        assert int(unreported) <= found.unreported, point.title
