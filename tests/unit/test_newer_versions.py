"""What a newer version adds to a ledger or a manifest is passed over, not refused."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Manifest, ModelRef, Shard, to_json
from judgeloop.store import FolderStore
from judgeloop.store.shards import manifest_key, read_manifest

MANIFEST = Manifest(
    stage="train",
    stage_version=1,
    key="k",
    shards=(Shard(key="train/k/0.jsonl", sha256="0" * 64, rows=1),),
    model=ModelRef(base="owner/name", adapter="train/k/adapter"),
)


def with_more(record: Any) -> Any:
    """Adds a field that no version has to every object of a record that this version declares."""
    if isinstance(record, list):
        return [with_more(each) for each in record]
    if not isinstance(record, dict):
        return record
    free = ("counts", "details")
    grown = {k: value if k in free else with_more(value) for k, value in record.items()}
    return grown | {"added_later": {"by": [1]}}


def newer(record: object) -> bytes:
    return json.dumps(with_more(json.loads(to_json(record)))).encode()


def test_a_newer_manifest_of_this_schema_is_read(tmp_path: Path) -> None:
    name = manifest_key("train", "k")
    assert read_manifest(newer(MANIFEST), name) == MANIFEST


def test_a_newer_ledger_is_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    entry = Entry(stage="train", iteration=1, manifest=MANIFEST)
    store.write(f"loops/one/tasks/{entry.name}.json", newer(entry))
    failed = Entry(stage="judge", iteration=1, partition=0, error="no")
    store.write(f"loops/one/failures/{failed.name}.json", newer(failed))
    assert Ledger(store, "one").entries() == [failed, entry]
    assert Ledger(store, "one").manifests("train") == {1: [MANIFEST]}


def test_a_stage_of_a_newer_version_is_read_without_its_result(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    made = json.loads(to_json(MANIFEST)) | {"stage": "debate", "result": {"kind": "Debates"}}
    entry = {"stage": "debate", "iteration": 1, "manifest": made}
    store.write("loops/one/tasks/001-debate.json", json.dumps(entry).encode())
    (read,) = Ledger(store, "one").entries()
    assert read.manifest == msgspec.structs.replace(MANIFEST, stage="debate")
    store.write("loops/one/tasks/001-judge.json", json.dumps(entry | {"stage": "judge"}).encode())
    with pytest.raises(DataError, match="001-judge"):
        Ledger(store, "one").entries()


@pytest.mark.parametrize(
    "change", [{"counts": {"rows": -1}}, {"shards": [{"key": "a", "sha256": "0", "rows": -1}]}]
)
def test_negative_rows_and_counts_are_no_manifest(change: dict[str, Any]) -> None:
    text = json.dumps(json.loads(to_json(MANIFEST)) | change).encode()
    with pytest.raises(DataError):
        read_manifest(text, "here")
