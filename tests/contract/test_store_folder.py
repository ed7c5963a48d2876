"""What only a folder can break: half-written files, races, permissions."""

import os
import re
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from judgeloop.schema.errors import StoreError
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


ON_A_SMALL_DISK = """
import sys
from pathlib import Path

from judgeloop.schema.errors import StoreError
from judgeloop.schema.records import Example, Manifest
from judgeloop.store.shards import Work, finish, write_shards
from judgeloop.store import FolderStore, open_store

disk = Path(sys.argv[1])
made = []


def work(batch):
    made.append(batch[0])
    row = Example(id=f"p/chosen_first/{batch[0]}", images=("a",), prompt="?", completion="A")
    return Work([row] * 1000)


def run(store):
    header = Manifest(stage="filter", stage_version=1, key="ab")
    return finish(store, write_shards(store, header, [[n] for n in range(8)], work))


(disk / "other").write_bytes(bytes(1_200_000))
store = FolderStore(disk / "store")
try:
    run(store)
except StoreError as error:
    print(error)
print([path.name for path in (disk / "store").rglob("*") if path.name.startswith(".")])
print(len(store.list("")), "shards,", len(made), "made")
try:
    plenty = FolderStore(Path(sys.argv[2]) / "plenty")
    plenty.write("big", bytes(800_000))
    plenty.download("big", disk / "cache" / "big")
except StoreError as error:
    print(error)
print(list((disk / "cache").iterdir()))
(disk / "other").unlink()
print(run(store) == run(FolderStore(Path(sys.argv[2]) / "unbroken")), len(made) - 8)
"""


def test_a_stage_on_a_full_disk_says_so_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # A real disk of 1.5 MB, in a name space of its own so that no root is needed.
    small_disk = ["unshare", "--user", "--mount", "--map-root-user", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=1500k none "$1"'
    tried = subprocess.run([*small_disk, mount, "sh", disk], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"needs user name spaces with mounts: {tried.stderr.decode().strip()}")
    given = [disk, sys.executable, ON_A_SMALL_DISK, tmp_path]
    done = subprocess.run(
        [*small_disk, f'{mount} && exec "$2" -c "$3" "$1" "$4"', "sh", *given],
        capture_output=True,
        text=True,
        check=True,
    )
    full, left, shards, cache, nothing, last = done.stdout.splitlines()
    assert re.search(r"cannot create .*filter/ab/\d+.jsonl: .*the disk is full: free", full)
    assert left == "[]"
    number, made = (int(word) for word in re.findall(r"\d+", shards))
    assert 0 < number == made - 1 < 7
    assert re.search(r"cannot copy .*plenty/big to .*cache/big: .*the disk is full: free", cache)
    assert nothing == "[]"
    assert last == "True 9", "8 of the unbroken run, and the one shard that did not fit"


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
