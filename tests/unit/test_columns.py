"""A file whose rows have other names for our fields, read by a mapping in the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judgeloop.data.columns import renamed
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Question
from judgeloop.store import FolderStore
from judgeloop.store.shards import read_records
from tests.bad_input.case import png
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
COLUMNS = {"id": "nr", "images": "picture", "text": "prompt"}


def test_mapped_columns_get_our_names_and_others_keep_theirs() -> None:
    row = {"nr": 7, "picture": "a.png", "prompt": "What?", "text": "not this", "more": 1}
    assert renamed(row, COLUMNS) == {
        "id": "7", "images": ["a.png"], "text": "What?", "more": 1,
    }  # fmt: skip
    with pytest.raises(DataError, match=r"no column `nr`, which .* maps to `id`; it has x"):
        renamed({"x": 1}, COLUMNS)


def test_a_loop_reads_a_file_of_other_columns_and_keeps_its_good_rows(tmp_path: Path) -> None:
    rows = []
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(png(number))
        rows.append({"nr": number, "picture": f"{number}.png", "prompt": f"What is {number}?"})
    lines = [*map(json.dumps, rows), json.dumps({"nr": 9, "picture": "0.png"}), "[1]"]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    columns = "{id: nr, images: picture, text: prompt}"
    changes = [f"data.questions={tmp_path}/q.jsonl", "data.count=null", f"data.columns={columns}"]
    store = FolderStore(tmp_path / "store")
    made = ingest(load_config(MICRO, changes), store)
    assert made.counts["rows"] == 4
    assert made.counts["dropped/bad_record"] == 2
    found = {question.id: question.text for question in read_records(store, made, Question)}
    assert found == {str(at): f"What is {at}?" for at in range(4)}


def test_a_mapping_of_what_is_no_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data\.columns"):
        load_config(MICRO, ["data.columns={answer: gold}"])
