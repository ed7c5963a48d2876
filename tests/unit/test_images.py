"""Images go into the store once, the small ones packed, and come back by hash with few calls."""

import io
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from judgeloop.schema.errors import DataError, StoreError
from judgeloop.store import FolderStore, MissingObjectError, S3Store, Store, sha256_bytes
from judgeloop.store.images import ImageLibrary, library, packer
from judgeloop.store.images.index import index_key
from judgeloop.store.images.packs import pack_bytes, read_pack
from judgeloop.store.s3 import s3_client
from tests.bad_input.images import black_png


class CountingStore(FolderStore):
    """A store that counts what it is asked, and can die before a given write."""

    def __init__(self, root: Path, dies_at: int | None = None) -> None:
        super().__init__(root)
        self.asked: list[str] = []
        self.created: list[str] = []
        self._dies_at = dies_at

    def read(self, key: str) -> bytes:
        self.asked.append(key)
        return super().read(key)

    def list(self, prefix: str) -> list[str]:
        self.asked.append(prefix)
        return super().list(prefix)

    def create(self, key: str, data: bytes) -> bool:
        if len(self.created) == self._dies_at:
            raise KeyboardInterrupt
        self.created.append(key)
        return super().create(key, data)

    def upload(self, path: Path, key: str) -> None:
        if len(self.created) == self._dies_at:
            raise KeyboardInterrupt
        self.created.append(key)
        super().upload(path, key)


def picture(number: int) -> bytes:
    """A picture of some 60 bytes; each number has its own."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1), (number % 251, number // 251 % 251, number // 63001)).save(
        buffer, "BMP"
    )
    return buffer.getvalue()


def noise(number: int, side: int) -> bytes:
    """A picture that takes 3 x side x side bytes and a few more."""
    pixels = random.Random(number).randbytes(3 * side * side)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (side, side), pixels).save(buffer, "BMP")
    return buffer.getvalue()


def add_all(store: Store, images: list[bytes]) -> list[str]:
    with ImageLibrary(store, 100_000).adding() as add:
        return [add(data) for data in images]


def content(store: Store) -> dict[str, bytes]:
    return {key: store.read(key) for key in store.list("")}


def packs(store: Store) -> list[str]:
    return store.list("images/packs")


def packed(store: Store) -> list[list[bytes]]:
    """The images of each pack."""
    return [read_pack(store.read(key), key).to_pylist() for key in packs(store)]


@pytest.fixture
def few_in_a_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "PACK_IMAGES", 4)


def test_thousands_of_small_images_are_a_handful_of_objects(tmp_path: Path) -> None:
    images = [picture(number) for number in range(5000)]
    store = CountingStore(tmp_path)
    hashes = add_all(store, images)
    assert len(set(hashes)) == 5000
    objects = content(FolderStore(tmp_path))
    assert len(objects) <= 20
    reader = ImageLibrary(store, 10)
    reader.prefetch(hashes)
    assert [reader.read(name) for name in hashes] == images
    assert sorted(store.asked) == ["images/indexes", *objects]  # a listing, and each object once


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    numbers=st.lists(st.integers(0, 40), max_size=40),
    pack_images=st.integers(1, 9),
    pack_bytes=st.integers(180, 900),
    small_bytes=st.sampled_from([0, 57, 58, 100, 2000, 3000]),
)
def test_whatever_was_added_comes_back_and_no_pack_is_over_its_limits(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: list[int],
    pack_images: int,
    pack_bytes: int,
    small_bytes: int,
) -> None:
    images = [noise(number, 1 + number % 6) for number in numbers]
    store = FolderStore(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packer, "PACK_IMAGES", pack_images)
        patch.setattr(packer, "PACK_BYTES", pack_bytes)
        patch.setattr(packer, "SMALL_BYTES", small_bytes)
        hashes = add_all(store, images)
    assert hashes == [sha256_bytes(data) for data in images]
    reader = ImageLibrary(store, 100)
    assert [reader.read(name) for name in hashes] == images
    small = {data for data in images if len(data) <= small_bytes}
    assert sorted(data for pack in packed(store) for data in pack) == sorted(small)
    assert all(sum(map(len, pack)) <= pack_bytes for pack in packed(store))
    assert len(packs(store)) >= len(small) / pack_images
    single = {key for key in store.list("images") if len(key.split("/")[1]) == 2}
    assert single == {f"images/{h[:2]}/{h}" for h in map(sha256_bytes, set(images) - small)}


def test_an_image_at_the_limit_is_packed_and_a_larger_one_is_an_object_of_its_own(
    tmp_path: Path,
) -> None:
    assert packer.SMALL_BYTES == 64 * 1024
    at_limit = picture(1).ljust(packer.SMALL_BYTES, b"\0")
    over = picture(2).ljust(packer.SMALL_BYTES + 1, b"\0")
    store = FolderStore(tmp_path)
    _, large = add_all(store, [at_limit, over])
    assert packed(store) == [[at_limit]]
    assert store.read(f"images/{large[:2]}/{large}") == over


@pytest.mark.usefixtures("few_in_a_pack")
def test_the_same_images_in_the_same_order_give_the_same_objects(tmp_path: Path) -> None:
    images = [picture(number) for number in range(30)]
    one, two, other = (FolderStore(tmp_path / name) for name in ("one", "two", "other"))
    add_all(one, images)
    add_all(other, images[5:9])
    add_all(two, images[5:9])  # what lies in the store already moves no border of a pack
    add_all(two, images)
    add_all(two, images)
    assert content(two) == content(one) | content(other)
    assert len(packs(one)) == 8


@pytest.mark.usefixtures("few_in_a_pack")
def test_a_repeated_image_lies_in_a_data_sets_packs_once(tmp_path: Path) -> None:
    images = [picture(number) for number in range(8)]
    one, two = FolderStore(tmp_path / "one"), FolderStore(tmp_path / "two")
    add_all(one, images)
    add_all(two, [*images[:5], *images[:6], *images])
    assert content(one) == content(two)


@pytest.mark.usefixtures("few_in_a_pack")
def test_an_image_of_two_data_sets_is_found_when_one_of_its_packs_is_gone(tmp_path: Path) -> None:
    shared = [picture(number) for number in range(3)]
    for lost in range(2):
        store = FolderStore(tmp_path / str(lost))
        hashes = add_all(store, [*shared, picture(10)])
        add_all(store, [picture(20), *shared])
        assert len(packs(store)) == 2
        store.delete(packs(store)[lost])
        assert [ImageLibrary(store, 10).read(name) for name in hashes[:3]] == shared


def test_an_image_added_alone_can_be_read_at_once(tmp_path: Path) -> None:
    images = ImageLibrary(FolderStore(tmp_path), 10)
    assert images.open(images.add(picture(3))).getpixel((0, 0)) == (3, 0, 0)


def test_a_bad_image_is_refused_and_leaves_no_trace(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    with ImageLibrary(store, 10).adding() as add:
        with pytest.raises(DataError, match="not an image"):
            add(b"<html>")
        with pytest.raises(DataError, match="over the limit of 100000000"):
            add(black_png(12_000))
    assert store.list("") == []


def test_a_data_set_that_another_process_adds_later_is_found(tmp_path: Path) -> None:
    store = CountingStore(tmp_path)
    first = add_all(store, [picture(1)])
    reader = ImageLibrary(store, 10)
    reader.open(first[0])
    later = add_all(store, [picture(2)])
    assert reader.read(later[0]) == picture(2)
    assert sum(key.startswith("images/indexes/") for key in store.asked) == 2  # each read once


def test_a_missing_image_is_an_error_that_names_it_and_the_remedy(tmp_path: Path) -> None:
    add_all(FolderStore(tmp_path), [picture(1)])
    with pytest.raises(MissingObjectError, match=rf"{'ab' * 32}.*manifest\.json.*again"):
        ImageLibrary(FolderStore(tmp_path), 10).read("ab" * 32)


@pytest.mark.parametrize("name", ["", "../../secret", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"])
def test_a_name_that_is_no_hash_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StoreError, match="not an image hash"):
        ImageLibrary(FolderStore(tmp_path), 10).read(name)


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.usefixtures("few_in_a_pack")
def test_a_damaged_pack_is_an_error_for_its_own_images_only(tmp_path: Path, cut: bool) -> None:
    store = FolderStore(tmp_path)
    hashes = add_all(store, [picture(number) for number in range(6)])
    (key,) = [key for key in packs(store) if len(read_pack(store.read(key), key)) == 2]
    data = store.read(key)
    store.write(key, data[:-1] if cut else data[:-1] + bytes([data[-1] ^ 1]))
    reader = ImageLibrary(store, 10)
    reader.prefetch(hashes)
    assert reader.read(hashes[1]) == picture(1)
    for name in hashes[4:]:
        with pytest.raises(StoreError, match=rf"a pack.*{key}.*another hash.*delete"):
            reader.read(name)


def test_an_image_with_other_bytes_than_its_name_says_is_an_error(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    name = ImageLibrary(store, 10).add(picture(1))
    store.write(f"images/{name[:2]}/{name}", picture(2))
    with pytest.raises(StoreError, match=rf"image {name}.*images/{name[:2]}/{name} have another"):
        ImageLibrary(store, 10).read(name)


@pytest.mark.parametrize("at", [0, 17, 30, 60, -1])
def test_a_damaged_index_is_an_error_that_names_it(tmp_path: Path, at: int) -> None:
    store = FolderStore(tmp_path)
    hashes = add_all(store, [picture(number) for number in range(3)])
    (key,) = store.list("images/indexes")
    data = bytearray(store.read(key))
    data[at] ^= 1
    store.write(key, bytes(data))
    with pytest.raises(StoreError, match=rf"{key}.*hash of its name.*delete"):
        ImageLibrary(store, 10).read(hashes[0])


@pytest.mark.parametrize("data", [b"", b"x", pack_bytes([], []), b"PAR1" * 9])
def test_an_index_of_another_format_is_refused(tmp_path: Path, data: bytes) -> None:
    store = FolderStore(tmp_path)
    store.write(index_key(sha256_bytes(data)), data)
    with pytest.raises(StoreError, match="not an image index that this version of judgeloop reads"):
        ImageLibrary(store, 10).read("ab" * 32)


def test_the_cache_stays_within_its_bound_and_drops_what_was_used_least_recently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "CACHE_BYTES", 100)
    store = CountingStore(tmp_path)
    reader = ImageLibrary(store, 100)
    first, second, third = (reader.add(noise(number, 2)) for number in range(3))  # 70 bytes each
    small, large = reader.add(picture(0)), reader.add(noise(9, 7))
    reader._singles.clear()

    def fetched(*names: str) -> list[bool]:
        """Whether each of the images was asked of the store."""
        found = []
        for name in names:
            before = len(store.asked)
            reader.read(name)
            found.append(len(store.asked) > before)
        return found

    reader.read(first)
    assert fetched(first, second, second, third, second) == [False, True, False, True, True]
    assert fetched(large, large, second) == [True, True, False]  # larger than the whole cache
    assert fetched(small, second) == [True, True]
    assert reader._singles.currsize <= 100


@pytest.mark.usefixtures("few_in_a_pack")
def test_few_packs_are_kept_however_small_they_are(tmp_path: Path) -> None:
    images = [picture(number) for number in range(4 * 3 * library.CACHED_PACKS)]
    store = CountingStore(tmp_path)
    hashes = add_all(store, images)
    reader = ImageLibrary(store, 10)
    assert [reader.read(name) for name in hashes] == images
    assert len(reader._packs) == library.CACHED_PACKS
    asked = len(store.asked)
    reader.prefetch(hashes[-4 * library.CACHED_PACKS :])  # what was read last
    assert len(store.asked) == asked


@pytest.mark.usefixtures("few_in_a_pack")
def test_a_library_reads_more_than_its_cache_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [picture(number) for number in range(40)]
    monkeypatch.setattr(library, "CACHED_PACKS", 3)
    store = CountingStore(tmp_path)
    hashes = add_all(store, images)
    reader = ImageLibrary(store, 10)
    for _ in range(2):
        assert [reader.read(name) for name in hashes] == images
    assert len(store.asked) == 1 + 1 + 2 * 10  # in order, each pack is fetched once a pass


def test_threads_that_want_the_same_pack_fetch_it_once(tmp_path: Path) -> None:
    images = [picture(number) for number in range(64)]
    store = CountingStore(tmp_path)
    hashes = add_all(store, images)
    reader, start = ImageLibrary(store, 10), threading.Barrier(16)

    def read(thread: int) -> list[bytes]:
        start.wait()
        return [reader.read(name) for name in hashes[thread::16]]

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(read, range(16)))
    assert found == [images[thread::16] for thread in range(16)]
    assert sorted(store.asked) == ["images/indexes", *store.list("")]


def test_a_prefetch_of_an_image_that_is_missing_fails_when_it_is_opened(tmp_path: Path) -> None:
    hashes = add_all(FolderStore(tmp_path), [picture(1)])
    reader = ImageLibrary(FolderStore(tmp_path), 10)
    reader.prefetch([*hashes, "ab" * 32])
    assert reader.read(hashes[0]) == picture(1)
    with pytest.raises(StoreError, match="abab"):
        reader.open("ab" * 32)


def test_s3_is_asked_by_the_pack_not_by_the_image(s3_uri: str) -> None:
    requests: list[str] = []
    client = s3_client()
    client.meta.events.register(
        "before-send.s3", lambda request, **_: requests.append(request.method)
    )
    bucket, _, prefix = s3_uri.removeprefix("s3://").partition("/")
    store = S3Store(client, bucket, prefix)
    images = [picture(number) for number in range(1500)]
    hashes = add_all(store, images)
    # The first object shows that there is a bucket, and that S3 minds conditions.
    tried = ["HEAD", "GET", "PUT", "PUT"]
    assert requests == [*tried, "PUT", "PUT"]  # two packs and the index
    requests.clear()
    reader = ImageLibrary(store, 10)
    for start in range(0, 1500, 50):
        reader.prefetch(hashes[start : start + 50])
    assert [reader.read(name) for name in hashes] == images
    assert requests == ["GET"] * 4  # the list of indexes, the index and two packs


@pytest.mark.usefixtures("few_in_a_pack")
def test_pyarrow_pandas_and_datasets_read_the_packs_and_the_index(tmp_path: Path) -> None:
    import datasets
    import pandas
    from pyarrow import parquet

    images = [picture(number) for number in range(10)]
    hashes = add_all(FolderStore(tmp_path / "store"), images)
    expected = dict(zip(hashes, images, strict=True))
    files = sorted((tmp_path / "store/images/packs").glob("*.parquet"))
    table = parquet.read_table(tmp_path / "store/images/packs")
    found = {row["sha256"]: row["image"]["bytes"] for row in table.to_pylist()}
    assert found == expected
    frame = pandas.concat(map(pandas.read_parquet, files))
    assert dict(zip(frame.sha256, (row["bytes"] for row in frame.image), strict=True)) == expected
    index = parquet.read_table(tmp_path / "store/images/indexes").to_pylist()
    for entry in index:
        pack = pandas.read_parquet(tmp_path / f"store/images/packs/{entry['pack']}.parquet")
        assert pack.sha256[entry["row"]] == entry["sha256"]
    assert [entry["sha256"] for entry in index] == sorted(hashes)
    opened = datasets.load_dataset(
        "parquet", data_files=list(map(str, files)), split="train", cache_dir=str(tmp_path / "c")
    )
    shown = {row["sha256"]: row["image"].convert("RGB").getpixel((0, 0)) for row in opened}
    assert shown == {name: (number, 0, 0) for number, name in enumerate(hashes)}
