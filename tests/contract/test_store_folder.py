"""What only a folder can break: half-written files, races, permissions."""

import os
import resource
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from judgeloop.errors import StoreError
from judgeloop.store import FolderStore


def test_of_many_creators_exactly_one_wins(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    barrier = threading.Barrier(8)

    def create(number: int) -> bool:
        barrier.wait()
        return store.create("lease", str(number).encode())

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert store.read("lease") == str(won.index(True)).encode()
    assert [path.name for path in tmp_path.iterdir()] == ["lease"]


def test_a_reader_sees_the_old_or_the_new_object_never_a_part(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    whole = {bytes([number]) * 300_000 for number in range(4)}
    store.write("key", bytes(300_000))
    stop = threading.Event()

    def keep_writing() -> None:
        while not stop.is_set():
            for data in sorted(whole):
                store.write("key", data)

    writer = threading.Thread(target=keep_writing)
    writer.start()
    try:
        seen = [store.read("key") in whole for _ in range(200)]
    finally:
        stop.set()
        writer.join()
    assert all(seen)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 64 kB, as if the disk were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_write_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("key", b"old")
    with pytest.raises(StoreError, match=r"cannot write .*key.*: raise the limit"):
        store.write("key", bytes(100_000))
    with pytest.raises(StoreError, match=r"cannot create .*other"):
        store.create("other", bytes(100_000))
    assert store.read("key") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_unfinished_files_of_a_killed_writer_are_not_listed(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("a/b", b"x")
    (tmp_path / "a" / ".tmp-left").write_bytes(b"half")
    assert store.list("") == ["a/b"]


def test_a_key_below_an_object_or_at_a_folder_is_a_store_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("a/b", b"x")
    with pytest.raises(StoreError, match="a file is where a folder is needed"):
        store.write("a/b/c", b"x")
    with pytest.raises(StoreError, match="a folder is where a file is needed"):
        store.write("a", b"x")
    with pytest.raises(StoreError, match="a folder is where a file is needed"):
        store.create("a", b"x")
    assert store.list("") == ["a/b"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_store_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    store.write("a/b", b"x")
    (tmp_path / "store" / "a").chmod(0o000)
    try:
        for call in (
            lambda: store.read("a/b"),
            lambda: store.write("a/c", b"x"),
            lambda: store.list(""),
        ):
            with pytest.raises(StoreError, match="permission to read and write"):
                call()
    finally:
        (tmp_path / "store" / "a").chmod(0o700)


def test_objects_get_the_permissions_that_the_user_set_up(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    before = os.umask(0o027)
    try:
        store.write("key", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o640
