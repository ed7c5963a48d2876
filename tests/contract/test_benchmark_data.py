"""A benchmark's data from a hub that answers, at a revision, and from a bucket of a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from judgeloop.evaluation.benchmarks.place import data_folder
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.schema.errors import DataError
from judgeloop.store import open_store
from tests.benchmark_rows import read_lines, write_lines
from tests.hub_server import commit_of, hub_server
from tests.unit.test_benchmark_stage import write_vl

READ = """
import json, sys
from judgeloop.evaluation.benchmarks.place import data_folder
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.schema.errors import DataError
try:
    with data_folder(sys.argv[1]) as folder:
        found = load(folder)
        print(json.dumps({"folder": folder.name, "files": found.files,
                          "better": [item.better for item in found.items]}))
except DataError as error:
    print(json.dumps({"error": str(error)}))
"""


@pytest.fixture
def revisions(tmp_path: Path) -> dict[str, Path]:
    """Two revisions of a data set; the second corrects one label."""
    first, second = (write_vl(tmp_path / name) for name in ("v1", "v2"))
    rows = read_lines(second / "data.jsonl")
    rows[0]["human_ranking"] = rows[0]["human_ranking"][::-1]
    write_lines(second / "data.jsonl", rows)
    return {"v1": first, "v2": second}


def read(place: str, endpoint: str, cache: Path) -> dict[str, object]:
    """Reads a data set in a process of its own: the client takes the address at its import."""
    settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0",
                "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", READ, place],
        env=os.environ | settings, check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_hub_gives_a_data_set_at_the_revision_that_is_named(
    revisions: dict[str, Path], tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    with hub_server({"owner/name": revisions}) as endpoint:
        one, two, by_commit = (
            read(f"hub:owner/name@{revision}", endpoint, cache)
            for revision in ("v1", "v2", commit_of("v1"))
        )
        missing = read("hub:owner/name@v3", endpoint, cache)
    assert one["folder"] == commit_of("v1")
    assert one == by_commit
    assert one["files"] != two["files"]  # the hash that stands with every figure
    assert [a != b for a, b in zip(one["better"], two["better"], strict=True)].count(True) == 1
    assert "hub:owner/name@v3: neither the hub nor the local cache" in str(missing["error"])
    assert read(f"hub:owner/name@{commit_of('v1')}", endpoint, cache) == one  # the hub has gone


def test_a_prefix_of_a_bucket_gives_what_the_folder_does(s3_uri: str, tmp_path: Path) -> None:
    folder = write_vl(tmp_path / "vl")
    place = f"{s3_uri}/benchmarks/vl"
    bucket = open_store(place)
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.write(path.relative_to(folder).as_posix(), path.read_bytes())
    with data_folder(place) as fetched:
        assert load(fetched).items == load(folder).items
        assert load(fetched).files == load(folder).files
        assert sorted(path.name for path in fetched.rglob("*.png")) == sorted(
            path.name for path in folder.rglob("*.png")
        )
    with pytest.raises(DataError, match="holds nothing"):
        data_folder(f"{s3_uri}/nothing").__enter__()
