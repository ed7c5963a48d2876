"""Which addresses open a store, and which keys a store takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.schema.errors import ConfigError, StoreError
from judgeloop.store import FolderStore, checked_key, open_store

UNSAFE_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "..",
    "../x",
    "a/../b",
    "a/..",
    ".",
    "./a",
    "a//b",
    "a/",
    "a\\b",
    "..\\x",
    "a\0b",
    "a\nb",
    "\ud800",
    ".tmp-x",
    "a/.tmp-x",
]


def test_every_kind_of_address_opens_its_store(
    tmp_path: Path, s3_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert open_store("a/b").uri == str(tmp_path / "a" / "b")
    assert open_store("~/s").uri == str(tmp_path / "home" / "s")
    assert open_store(f"file://{tmp_path}/with%20space/").uri == f"{tmp_path}/with space"
    assert open_store(s3_uri + "/").uri == s3_uri
    assert open_store("s3://bucket").uri == "s3://bucket"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "uri", ["", "gs://b/p", "https://h/p", "s3:/b", "s3://", "s3:///p", "file://host/p", "a\0b"]
)
def test_other_addresses_are_refused_with_those_that_work(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"file:///absolute/path or s3://bucket/prefix"):
        open_store(uri)


def test_importing_the_store_does_not_import_boto3() -> None:
    code = "import sys, judgeloop.store; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("key", UNSAFE_KEYS)
def test_a_key_that_is_no_plain_relative_path_is_refused(key: str) -> None:
    with pytest.raises(StoreError, match="refuses the key"):
        checked_key(key)


@given(st.text(alphabet="ab./\\\0 ~-", max_size=12) | st.text(max_size=12))
def test_an_accepted_key_never_leaves_the_root(key: str) -> None:
    try:
        checked_key(key)
    except StoreError:
        return
    resolved = os.path.normpath(f"/root/store/{key}")
    assert resolved == f"/root/store/{key}"


@given(st.sets(st.text(alphabet="abB-.é", min_size=1, max_size=4), max_size=8))
def test_any_set_of_names_is_listed_sorted_and_whole(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    keys = {f"{name}/x" for name in names - {".", ".."}}
    store = FolderStore(tmp_path_factory.mktemp("listing"))
    for key in keys:
        store.write(key, b"")
    assert store.list("") == sorted(keys)
