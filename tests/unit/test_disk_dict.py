"""A mapping that lies in a temporary file."""

import gc
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.schema.errors import StoreError
from judgeloop.schema.keys import content_key, listed_key
from judgeloop.store import disk_dict
from judgeloop.store.disk_dict import DiskDict

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
"""Any text of a JSON file: half a surrogate pair is refused there."""


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=40))
def test_it_is_a_dictionary_that_keeps_the_first_value(entries: list[tuple[str, str]]) -> None:
    found: DiskDict[str, str] = DiskDict()
    expected: dict[str, str] = {}
    for key, value in entries:
        assert found.add(key, value) == (key not in expected)
        expected.setdefault(key, value)
    assert list(found.items()) == list(expected.items())
    assert list(found.sorted_items()) == sorted(expected.items())
    assert len(found) == len(expected)
    assert [found.get(key) for key, _ in entries] == [expected[key] for key, _ in entries]


def test_values_may_be_set_while_the_items_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_dict, "BLOCK", 3)
    found: DiskDict[bytes, bytes] = DiskDict()
    keys = [bytes([number]) for number in range(10)]
    for key in reversed(keys):
        found.add(key, b"")
    for key, _ in found.items():
        found[key] = key + key
    assert list(found.sorted_items()) == [(key, key + key) for key in keys]


def test_a_key_that_was_never_added_is_missing() -> None:
    found: DiskDict[str, str] = DiskDict()
    assert found.get("a") is None
    with pytest.raises(KeyError):
        found["a"]


def test_a_full_disk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_dict, "CACHE_KB", 4)
    found: DiskDict[str, str] = DiskDict()
    found._database.execute("PRAGMA max_page_count = 8")
    with pytest.raises(StoreError, match=r"temporary file .* full.*SQLITE_TMPDIR"):
        found.add("a", "x" * 2**20)


def test_nothing_is_left_in_the_folder_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    found: DiskDict[str, str] = DiskDict()
    for number in range(20_000):
        found.add(f"{number}", "x" * 100)
    assert list(tmp_path.iterdir()) == []  # it has no name from the beginning


@given(st.lists(st.tuples(TEXTS, TEXTS)), st.lists(TEXTS))
def test_a_key_of_lists_is_the_same_though_they_are_never_held(
    couples: list[tuple[str, str]], texts: list[str]
) -> None:
    assert listed_key(iter(couples), iter(texts)) == content_key(couples, texts)


def test_its_database_is_closed_with_it() -> None:
    found: DiskDict[str, str] = DiskDict()
    database = found._database
    del found
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")
