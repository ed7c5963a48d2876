"""Nothing is promised without a test of that name."""

import ast
import re

import pytest

from tests.conftest import REPOSITORY

RELIABILITY, GUARANTEES = "docs/reliability.md", "tests/guarantees.md"
_NAMED = re.compile(r"\b(?:\w+\.py::)?(test_\w+)\b(\.py)?")


def text(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def defined() -> set[str]:
    """Names of all tests, and of the modules that hold them."""
    found = set()
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {path.stem} | {
            node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
        }
    return found


def promises() -> list[str]:
    """The rows of the table of what is guaranteed, without its head."""
    table = text(RELIABILITY).partition("| --- | --- | --- |\n")[2]
    return table.partition("\n\n")[0].splitlines()


@pytest.mark.parametrize("page", [RELIABILITY, GUARANTEES])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named = {match[1] for match in _NAMED.finditer(text(page))}
    assert len(named) > 10
    assert named <= defined()


def test_every_guarantee_names_a_test_that_shows_it() -> None:
    rows = promises()
    assert len(rows) > 10
    for row in rows:
        shown_by = row.strip("| ").rpartition(" | ")[2]
        assert _NAMED.search(shown_by), row
