"""What every store promises, asked of a folder and of a real S3 server."""

import os
from pathlib import Path

import msgspec
import pytest

from judgeloop.schema.errors import StoreError
from judgeloop.store import (
    MissingObjectError,
    Store,
    download_folder,
    open_store,
    sha256_bytes,
    sha256_file,
    upload_folder,
)

PLENTY = 9 * 1024 * 1024  # more than boto3 sends in one part


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    return open_store(request.getfixturevalue("s3_uri"))


def test_what_was_written_is_read_back_to_the_byte(store: Store) -> None:
    data = bytes(range(256)) * 3
    store.write("judge/part-0/shard.bin", data)
    assert store.read("judge/part-0/shard.bin") == data
    assert store.exists("judge/part-0/shard.bin")


def test_empty_objects_and_unusual_names_are_kept(store: Store) -> None:
    for key in ("empty", "with space", "äöü/判断", "a+b%20&c=d?e#f", "~x", "-", "x.tmp-y"):
        store.write(key, key.encode())
        assert store.read(key) == key.encode()
    store.write("empty", b"")
    assert store.read("empty") == b""
    assert "a+b%20&c=d?e#f" in store.list("")


def test_a_second_write_replaces_the_first(store: Store) -> None:
    store.write("key", b"first, and longer")
    store.write("key", b"second")
    assert store.read("key") == b"second"
    assert store.list("") == ["key"]


def test_the_first_creator_wins_and_the_second_is_told(store: Store) -> None:
    assert store.create("a/lease", b"first") is True
    assert store.create("a/lease", b"second") is False
    assert store.read("a/lease") == b"first"


def test_create_does_not_replace_what_write_stored(store: Store) -> None:
    store.write("key", b"written")
    assert store.create("key", b"created") is False
    assert store.read("key") == b"written"


def test_a_key_can_be_created_again_after_it_was_deleted(store: Store) -> None:
    store.create("lease", b"first")
    store.delete("lease")
    assert store.create("lease", b"second") is True
    assert store.read("lease") == b"second"


def test_reading_an_absent_object_names_the_store_and_the_key(store: Store) -> None:
    with pytest.raises(MissingObjectError, match="no/such") as caught:
        store.read("no/such")
    assert store.uri in str(caught.value)
    assert not store.exists("no/such")


def test_a_folder_of_keys_is_not_itself_an_object(store: Store, tmp_path: Path) -> None:
    store.write("a/b", b"x")
    assert not store.exists("a")
    with pytest.raises(MissingObjectError):
        store.read("a")
    with pytest.raises(MissingObjectError):
        store.download("a", tmp_path / "copy")
    store.delete("a")
    assert store.list("") == ["a/b"]


def test_nothing_lies_below_an_object(store: Store) -> None:
    store.write("a", b"x")
    assert not store.exists("a/b")
    assert store.list("a") == []
    store.delete("a/b")
    with pytest.raises(MissingObjectError):
        store.read("a/b")


def test_deleting_removes_the_object_and_an_absent_one_is_no_error(store: Store) -> None:
    store.write("a/b", b"x")
    store.delete("a/b")
    store.delete("a/b")
    store.delete("never/was")
    assert not store.exists("a/b")
    assert store.list("") == []


def test_a_listing_is_sorted_and_keeps_to_the_folder_asked_for(store: Store) -> None:
    for key in ("ab/x", "a/z", "a/b/y", "a-b", "a.b", "a/B", "c"):
        store.write(key, b"")
    assert store.list("a") == ["a/B", "a/b/y", "a/z"]
    assert store.list("a/") == store.list("a")
    assert store.list("a/b") == ["a/b/y"]
    assert store.list("") == ["a-b", "a.b", "a/B", "a/b/y", "a/z", "ab/x", "c"]
    assert store.list("nothing") == []


def test_two_stores_at_neighbouring_roots_do_not_see_each_other(store: Store) -> None:
    store.write("x", b"1")
    neighbour = open_store(store.uri + "-b")
    below = open_store(store.uri + "/sub")
    neighbour.write("y", b"2")
    below.write("z", b"3")
    assert store.list("") == ["sub/z", "x"]
    assert neighbour.list("") == ["y"]
    assert below.list("") == ["z"]


def test_unsafe_keys_are_refused_by_every_method(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    for key in ("/etc/passwd", "../x", "a/../../x", "a\\b", "a\0b"):
        for call in (
            lambda key: store.read(key),
            lambda key: store.write(key, b"x"),
            lambda key: store.create(key, b"x"),
            lambda key: store.exists(key),
            lambda key: store.delete(key),
            lambda key: store.list(key),
            lambda key: store.upload(file, key),
            lambda key: store.download(key, tmp_path / "copy"),
        ):
            with pytest.raises(StoreError, match="refuses the key"):
                call(key)
    assert store.list("") == []
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "store") == ["file"]


@pytest.mark.parametrize("size", [0, 10, PLENTY])
def test_files_of_any_size_go_there_and_back(store: Store, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source.bin"
    source.write_bytes(os.urandom(size))
    store.upload(source, "weights/model.bin")
    target = tmp_path / "new" / "folder" / "copy.bin"
    store.download("weights/model.bin", target)
    assert sha256_file(target) == sha256_file(source)
    assert [path.name for path in target.parent.iterdir()] == ["copy.bin"]
    assert store.list("") == ["weights/model.bin"]


def test_uploaded_is_read_and_written_is_downloaded(store: Store, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"uploaded")
    store.upload(source, "up")
    store.write("written", b"written")
    store.download("written", target)
    assert store.read("up") == b"uploaded"
    assert target.read_bytes() == b"written"


def test_a_failed_download_leaves_the_local_file_alone(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "out" / "target"
    target.parent.mkdir()
    target.write_bytes(b"old")
    with pytest.raises(MissingObjectError):
        store.download("no/such", target)
    assert target.read_bytes() == b"old"
    assert list(target.parent.iterdir()) == [target]


def test_uploading_an_absent_file_names_it(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"absent\.bin") as caught:
        store.upload(tmp_path / "absent.bin", "key")
    assert not isinstance(caught.value, MissingObjectError)
    assert store.list("") == []


def test_a_download_to_where_no_folder_can_be_is_a_store_error(
    store: Store, tmp_path: Path
) -> None:
    store.write("key", b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="a file is where a folder is needed"):
        store.download("key", tmp_path / "file" / "copy")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder like an adapter's."""
    folder = tmp_path / "adapter"
    (folder / "sub").mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(os.urandom(1000))
    (folder / "sub" / "tokenizer.json").write_text("[]")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every file below a folder, by relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_goes_there_and_back_with_its_checksums(
    store: Store, adapter: Path, tmp_path: Path
) -> None:
    checksums = upload_folder(store, adapter, "adapters/one")
    assert list(checksums) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "sub/tokenizer.json",
    ]
    assert checksums["adapter_config.json"].sha256 == sha256_bytes(b"{}")
    assert msgspec.json.decode(store.read("adapters/one/checksums.json"))[
        "adapter_config.json"
    ] == {"sha256": sha256_bytes(b"{}"), "bytes": 2}
    download_folder(store, "adapters/one", tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(adapter)
    download_folder(store, "adapters/one", tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(adapter)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_a_folder_with_a_changed_file_is_refused_by_name(
    store: Store, adapter: Path, tmp_path: Path
) -> None:
    upload_folder(store, adapter, "adapters/one")
    store.write("adapters/one/sub/tokenizer.json", b"][")
    with pytest.raises(StoreError, match=r"adapters/one/sub/tokenizer\.json"):
        download_folder(store, "adapters/one", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob(".tmp-*"))


def test_an_unfinished_folder_counts_as_absent(store: Store, adapter: Path, tmp_path: Path) -> None:
    upload_folder(store, adapter, "adapters/one")
    store.delete("adapters/one/checksums.json")
    with pytest.raises(MissingObjectError, match="no complete folder"):
        download_folder(store, "adapters/one", tmp_path / "copy")


def test_a_download_never_mixes_with_other_files(
    store: Store, adapter: Path, tmp_path: Path
) -> None:
    upload_folder(store, adapter, "adapters/one")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        download_folder(store, "adapters/one", tmp_path / "copy")
    assert files_of(tmp_path / "copy") == {"mine.txt": b"mine"}


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "a\\b"])
def test_checksums_with_an_unsafe_name_write_nothing(
    store: Store, tmp_path: Path, name: str
) -> None:
    store.write("bad/checksums.json", msgspec.json.encode({name: {"sha256": "0", "bytes": 0}}))
    with pytest.raises(StoreError, match="refuses the key"):
        download_folder(store, "bad", tmp_path / "out" / "copy")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_broken_checksums_are_a_store_error(store: Store, tmp_path: Path, text: bytes) -> None:
    store.write("bad/checksums.json", text)
    with pytest.raises(StoreError, match=r"bad/checksums\.json"):
        download_folder(store, "bad", tmp_path / "copy")


def test_folders_that_cannot_be_stored_are_refused(store: Store, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(StoreError, match="no file in it"):
        upload_folder(store, empty, "x")
    (empty / "checksums.json").write_text("{}")
    with pytest.raises(StoreError, match="rename that file"):
        upload_folder(store, empty, "x")
    with pytest.raises(StoreError, match="there is no folder"):
        upload_folder(store, tmp_path / "absent", "x")
