"""The stage `train`: which adapter its manifest names, and which software its key holds."""

from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.models.fetch import fetch_adapter
from judgeloop.runtime.identity import engine_identity
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stages.train import train
from judgeloop.schema.config import Config, ModelSection, load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Example, Manifest, ModelRef
from judgeloop.store import FolderStore, folder_checksums, shards
from judgeloop.store.shards import Work, write_shards
from judgeloop.training import launch
from judgeloop.training import scripted as scripted_module
from tests.conftest import REPOSITORY

CONFIG = load_config(REPOSITORY / "pipelines/configs/micro.yaml")
BASE = ModelRef(base="scripted:skill=0.2")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def examples(store: FolderStore) -> Manifest:
    rows = [Example(id="p/chosen_first/0", images=(), prompt="?", completion="A")]
    header = Manifest(stage="filter", stage_version=1, key="f" * 24)
    return write_shards(store, header, [rows], lambda batch: Work(batch))


def with_kind(kind: str) -> Config:
    training = msgspec.structs.replace(CONFIG.training, kind=kind)
    engine = msgspec.structs.replace(
        CONFIG.engine, kind="transformers" if kind == "lora" else "scripted"
    )
    model = ModelSection(base=BASE.base if kind == "scripted" else "builtin:tiny-vlm")
    return msgspec.structs.replace(CONFIG, training=training, engine=engine, model=model)


def test_of_two_trainings_at_once_the_manifest_names_the_adapter_that_it_describes(
    store: FolderStore, examples: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(CONFIG, store, Ledger(store, "loop"), 1, examples, BASE)
    honest = scripted_module.train_scripted

    def otherwise(*arguments: Any) -> dict[str, float]:
        """Trains as a GPU may the second time: not to the same bits."""
        figures = honest(*arguments)
        (arguments[-1] / "scripted_adapter.json").write_bytes(b"{}")
        return figures

    monkeypatch.setattr(shards, "finished", lambda *_: None)  # it had begun before the end
    monkeypatch.setattr(scripted_module, "train_scripted", otherwise)
    assert train(CONFIG, store, Ledger(store, "loop"), 1, examples, BASE) == first
    assert first.model is not None
    found = fetch_adapter(first.model, store, tmp_path / "found")
    assert found is not None
    assert content_key(folder_checksums(found)) == first.model.adapter_sha256


def test_the_versions_of_the_libraries_are_in_the_manifest_and_in_the_key(
    store: FolderStore, examples: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_kind("lora")
    # The training itself is tried in tests/loop; here it writes an adapter and no more.
    monkeypatch.setattr(launch, "train_adapter", _write_adapter)
    before = train(config, store, Ledger(store, "loop"), 1, examples, BASE_FOLDER)
    assert before.details["trl"] == metadata.version("trl")
    assert set(before.details) == {"torch", "transformers", "peft", "trl", "accelerate"}
    assert train(config, store, Ledger(store, "loop"), 1, examples, BASE_FOLDER) == before
    changed = _changed("peft")
    monkeypatch.setattr(metadata, "version", changed)
    after = train(config, store, Ledger(store, "loop"), 1, examples, BASE_FOLDER)
    assert after.key != before.key
    assert after.details == before.details | {"peft": "999"}


BASE_FOLDER = ModelRef(base="builtin:tiny-vlm", base_sha256="ab" * 32)


def test_a_training_that_was_killed_gets_its_last_checkpoint_and_leaves_none_at_its_end(
    store: FolderStore, examples: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[str] = []

    def killed(job: Any, store_checkpoint: Any, node: Any) -> dict[str, float]:
        checkpoint = tmp_path / "000007"
        checkpoint.mkdir()
        (checkpoint / "trainer_state.json").write_text("seven")
        store_checkpoint(checkpoint)
        raise KeyboardInterrupt

    def ends(job: Any, store_checkpoint: Any, node: Any) -> dict[str, float]:
        resumed.append((Path(job.resume) / "trainer_state.json").read_text())
        return _write_adapter(job, store_checkpoint, node)

    config = with_kind("lora")
    monkeypatch.setattr(launch, "train_adapter", killed)
    with pytest.raises(KeyboardInterrupt):
        train(config, store, Ledger(store, "loop"), 1, examples, BASE_FOLDER)
    assert [key for key in store.list("train/") if "/checkpoints/" in key]
    monkeypatch.setattr(launch, "train_adapter", ends)
    train(config, store, Ledger(store, "loop"), 1, examples, BASE_FOLDER)
    assert resumed == ["seven"]
    assert not [key for key in store.list("train/") if "/checkpoints/" in key]


def _write_adapter(job: Any, store_checkpoint: Any, node: Any) -> dict[str, float]:
    job.adapter_folder.mkdir(parents=True)
    (job.adapter_folder / "adapter_model.safetensors").write_bytes(b"weights")
    return {"last_loss": 0.5, "seconds": 1.0}


def _changed(package: str) -> Any:
    known = metadata.version
    return lambda name: "999" if name == package else known(name)


@pytest.mark.parametrize("package", ["torch", "transformers"])
def test_another_version_of_what_the_engine_computes_with_is_another_engine(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_kind("lora")
    before = engine_identity(config.engine)
    monkeypatch.setattr(metadata, "version", _changed(package))
    assert engine_identity(config.engine) != before


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    store: FolderStore, examples: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    config = with_kind("lora")
    with pytest.raises(ConfigError, match=r"transformers is not installed.*\[inference\]"):
        engine_identity(config.engine)
    with pytest.raises(ConfigError, match=r"torch is not installed.*\[train\]"):
        train(config, store, Ledger(store, "loop"), 1, examples, BASE_FOLDER)
