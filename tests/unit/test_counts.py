"""The counts of a manifest: by name in the file, by field in the code."""

from __future__ import annotations

from judgeloop.schema.counts import Counts, read_counts
from judgeloop.schema.records import Manifest

COUNTS = Counts(
    inputs=9,
    rows=5,
    parts={"vote": 2, "first colour": 3},
    dropped={"tie": 4},
    tokens={"completion": 70},
    outcomes={"caption: first colour": {"pair": 3, "unchanged": 2}, "number: vote": {"pair": 2}},
)


def test_counts_are_read_back_as_they_were_named() -> None:
    named = COUNTS.named()
    assert named["yield/caption: first colour/unchanged"] == 2
    assert list(named) == sorted(named)
    assert read_counts(named) == COUNTS


def test_nothing_is_named_that_was_not_counted() -> None:
    assert Counts(rows=1, dropped={"tie": 0}).named() == {"rows": 1}
    assert read_counts({}) == Counts()


def test_a_name_of_a_later_version_is_left_out() -> None:
    assert read_counts({"rows": 2, "weather/fine": 3}) == Counts(rows=2)


def test_a_manifest_tells_its_counts_by_field() -> None:
    made = Manifest(stage="synthesize", stage_version=1, key="k", counts=COUNTS.named())
    assert made.counted == COUNTS
    assert (made.input_rows, made.dropped, made.tokens) == (9, {"tie": 4}, {"completion": 70})
