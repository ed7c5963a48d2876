"""Agreement with what the last judge of the same pair said, as a filter without labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from judgeloop.method.filtering.last_verdict import contradicts
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.method_sections import FilteringSection
from judgeloop.schema.records import Choice, Example, Manifest
from judgeloop.schema.results import Funnel
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, finish, read_records, write_shards
from tests.unit.test_filter import MICRO, both, pair

RIGHT, WRONG, FIRST = (Choice.A, Choice.B), (Choice.B, Choice.A), (Choice.A, Choice.A)


@pytest.mark.parametrize(
    ("samples", "same", "not_opposite"),
    [
        ([RIGHT], False, False),
        ([WRONG], True, True),
        ([FIRST], True, False),
        ([RIGHT, WRONG], True, False),
        ([RIGHT, RIGHT, WRONG], False, False),
        ([(Choice.UNDECIDED, Choice.B)], True, False),
        ([], False, False),  # the last judge did not see the pair
    ],
)
def test_a_pair_is_contradicted_by_the_last_judge_s_clear_verdicts(
    samples: list[tuple[Choice, Choice]], same: bool, not_opposite: bool
) -> None:
    earlier = [j for at, found in enumerate(samples) for j in both(pair(1), *found, at)]
    expected = {"ignored": False, "same": same, "not_opposite": not_opposite}
    for value, found in expected.items():
        assert contradicts(FilteringSection(last_verdict=value), earlier) is found


def stored(store: FolderStore, key: str, verdicts: list[tuple[Choice, Choice]]) -> Manifest:
    pairs = [pair(at) for at in range(len(verdicts))]
    header = Manifest(stage="judge", stage_version=1, key=key, inputs=("k",), partition=0)
    batches = [list(zip(pairs, verdicts, strict=True))]
    return finish(store, write_shards(
        store, header, batches, lambda batch: Work([j for p, v in batch for j in both(p, *v)])
    ))  # fmt: skip


def test_the_filter_compares_with_the_last_judgements_of_the_same_pairs(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    ledger = Ledger(store, "loop")
    header = Manifest(stage="synthesize", stage_version=1, key="k", partition=0)
    made = write_shards(store, header, [[pair(at) for at in range(4)]], lambda b: Work(list(b)))
    older = stored(store, "older", [WRONG] * 4)
    last = stored(store, "last", [RIGHT, WRONG, FIRST, RIGHT])
    now = stored(store, "now", [RIGHT, RIGHT, RIGHT, WRONG])
    for at, found in enumerate((older, last, now), start=1):
        ledger.record(Entry(stage="judge", iteration=at, partition=0, manifest=found))
    changes = ["data.fresh_pairs=false", "filtering.last_verdict=same"]
    config = load_config(MICRO, changes)
    kept = filter_judgements(config, store, [made], [now], ledger, 3)
    names = {example.id.split("/")[0] for example in read_records(store, kept, Example)}
    assert names == {"pair0"}
    funnel = kept.expect(Funnel)
    assert (funnel.kept, funnel.disagreeing, funnel.further) == (1, 1, {"last_verdict": 2})
    assert "last" in kept.inputs
    first = filter_judgements(config, store, [made], [now], ledger, 1)
    assert first.expect(Funnel).kept == 3  # nobody judged these pairs before
    assert first.key != kept.key


def test_new_pairs_in_each_iteration_and_the_last_verdict_don_t_go_together() -> None:
    with pytest.raises(ConfigError, match=r"set data\.fresh_pairs to false"):
        load_config(MICRO, ["filtering.last_verdict=same"])
    assert load_config(MICRO).filtering.last_verdict == "ignored"
