"""A model reference is resolved once, into local paths; who asks a server resolves nothing."""

from pathlib import Path

import pytest

from judgeloop.engines.lazy import LazyEngine
from judgeloop.models.fetch import fetch_model
from judgeloop.runtime import engine_start
from judgeloop.runtime.engine_start import lazy_engine, open_engine
from judgeloop.schema.engine_section import EndpointSection, EngineSection
from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore, folder_checksums, upload_folder
from judgeloop.store.images import ImageLibrary

BASE = "scripted:skill=0"
ADAPTER = b'{"skill": 1.0, "examples": 1, "examples_sha256": ""}'
SECTION = EngineSection(kind="scripted")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def images(store: FolderStore) -> ImageLibrary:
    return ImageLibrary(store, max_pixels=100)


@pytest.fixture
def judge(tmp_path: Path, store: FolderStore) -> ModelRef:
    """A judge whose adapter lies in the store."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "scripted_adapter.json").write_bytes(ADAPTER)
    upload_folder(store, folder, "train/1/adapter")
    sha256 = content_key(folder_checksums(folder))
    return ModelRef(base=BASE, adapter="train/1/adapter", adapter_sha256=sha256)


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The adapters of the models that were resolved."""
    seen: list[Path | None] = []

    def noted(*arguments: object) -> object:
        model = fetch_model(*arguments)  # type: ignore[arg-type]
        seen.append(model.adapter)
        return model

    monkeypatch.setattr(engine_start, "fetch_model", noted)
    return seen


def test_a_fetched_adapter_is_a_local_folder_until_its_model_is_closed(
    judge: ModelRef, store: FolderStore
) -> None:
    with fetch_model(judge, store) as model:
        assert model.adapter is not None
        assert (model.base, model.reference) == (BASE, judge)
        assert (model.adapter / "scripted_adapter.json").read_bytes() == ADAPTER
    assert not model.adapter.parent.exists()


def test_an_adapter_in_a_folder_of_this_machine_is_used_there_and_stays(
    tmp_path: Path, judge: ModelRef, store: FolderStore
) -> None:
    with fetch_model(ModelRef(base=BASE, adapter=str(tmp_path / "adapter")), store) as model:
        assert model.adapter == tmp_path / "adapter"
    assert (tmp_path / "adapter" / "scripted_adapter.json").exists()


def test_an_adapter_that_is_refused_leaves_no_folder_behind(
    tmp_path: Path, judge: ModelRef, store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    other = ModelRef(base=BASE, adapter=judge.adapter, adapter_sha256="0" * 64)
    with pytest.raises(StoreError, match="is not the expected adapter"):
        fetch_model(other, store)
    assert list(temporary.iterdir()) == []


def test_an_engine_resolves_its_model_once_when_it_is_first_asked(
    judge: ModelRef, store: FolderStore, images: ImageLibrary, resolved: list[Path | None]
) -> None:
    with lazy_engine(SECTION, judge, images, store) as engine:
        assert resolved == []
        assert [judged(engine, number) for number in range(3)]
    (adapter,) = resolved
    assert adapter is not None
    assert not adapter.exists()


def test_an_engine_that_cannot_start_leaves_no_adapter_behind(
    tmp_path: Path, store: FolderStore, images: ImageLibrary, resolved: list[Path | None]
) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "a.json").write_text("{}")
    upload_folder(store, tmp_path / "wrong", "wrong")
    with pytest.raises(EngineError, match="is not a scripted adapter"):
        open_engine(SECTION, ModelRef(base=BASE, adapter="wrong"), images, store)
    (adapter,) = resolved
    assert adapter is not None
    assert not adapter.exists()


def test_a_model_that_a_server_has_is_not_resolved(
    store: FolderStore, images: ImageLibrary, resolved: list[Path | None]
) -> None:
    nowhere = EndpointSection(url="http://127.0.0.1:1/v1", model="judge", retries=1)
    section = EngineSection(kind="openai", endpoint=nowhere)
    with pytest.raises(EngineError, match=r"127\.0\.0\.1"):
        open_engine(section, ModelRef(base="/nowhere", adapter="missing"), images, store)
    assert resolved == []


def judged(engine: LazyEngine, number: int) -> list[object]:
    """Asks an engine and waits for its answer."""
    shown = {"question": "colour", "answer_a": "red", "answer_b": "blue"}
    request = Request(
        id="q", text="judge", purpose="judge", variables=shown, sampling=Sampling(), n=1,
        verdict_endings=(" A", " B"),
    )  # fmt: skip
    engine.submit(number, request)
    answers: list[object] = []
    while not answers:
        answers.extend(engine.poll())
    return answers
