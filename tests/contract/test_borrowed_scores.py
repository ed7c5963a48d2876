"""A version's scores are its own adapter's: nothing else is judged by them, or promoted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.models.fetch import fetch_adapter
from judgeloop.models.judge import find_judge
from judgeloop.models.references import describe_base
from judgeloop.registry.addresses import fetch_version, resolve_model
from judgeloop.registry.judge_file import JUDGE_FILE, JudgeFile, read_judge_file, write_judge_file
from judgeloop.registry.tracking import ITERATION_TAG, LOOP_TAG, iteration_run, loop_run
from judgeloop.registry.versions import aliases, promote, register_version
from judgeloop.schema.errors import (
    ConfigError,
    DataError,
    JudgeLoopError,
    RegistryError,
    StoreError,
)
from judgeloop.schema.keys import content_key
from judgeloop.store import FolderStore, folder_checksums, upload_folder
from tests.mlflow_server import use_database
from tests.registry_loop import Loop

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version's folder, as it is fetched."""
    folder = tmp_path_factory.mktemp("registered")
    with pytest.MonkeyPatch.context() as patch:
        use_database(folder, patch)
        loop = Loop(folder / "store", "judge")
        loop.scores("evaluate", 0, right=10)
        uri = loop.register(1, folder, validation=20, gold=30).result.uri
        fetch_version(uri, folder / "version")
    return folder / "version"


def changed(registered: Path, folder: Path, change: Change) -> Path:
    """A copy of the version's judge file in a folder of its own, changed."""
    tree = msgspec.json.decode((registered / JUDGE_FILE).read_bytes())
    change(tree)
    folder.mkdir(exist_ok=True)
    (folder / JUDGE_FILE).write_bytes(msgspec.json.encode(tree))
    return folder / JUDGE_FILE


REQUIRED = [
    field.name for field in msgspec.structs.fields(JudgeFile)
    if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT
]  # fmt: skip


@pytest.mark.parametrize("field", [*REQUIRED, "schema_version"])
def test_a_judge_file_without_a_field_is_an_error_that_names_it(
    registered: Path, tmp_path: Path, field: str
) -> None:
    path = changed(registered, tmp_path / "v", lambda tree: tree.pop(field))
    with pytest.raises(JudgeLoopError, match=field.replace("_", "[_ ]")):
        read_judge_file(path, "models:/judge/1")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda tree: tree["config"].pop("prompts"), "config.prompts"),
        (lambda tree: tree["config"].update(prompts=1), "config.prompts"),
        (lambda tree: tree["model"].pop("base"), "`base` - at `$.model`"),
        (lambda tree: tree["model"].pop("adapter_sha256"), "model.adapter_sha256"),
        (lambda tree: tree["model"].update(base=" "), "`model.base` is empty"),
        (lambda tree: tree.update(iteration=-3), "`$.iteration`"),
        (lambda tree: tree["counts"].update(gold=-5), "`$.counts"),
        (lambda tree: tree["config"].update(data=None), "`config.data`"),
        (lambda tree: tree["config"].update(data=[1]), "`config.data`"),
        (lambda tree: tree["config"]["data"].update(max_pixels="many"), "max_pixels"),
        (lambda tree: tree["config"]["data"].update(max_pixels=-5), "max_pixels"),
        (lambda tree: tree["config"]["data"].update(max_pixels=1e308), "max_pixels"),
        (lambda tree: tree["config"]["data"].update(background="\x1b[2J"), "background"),
    ],
)
def test_what_is_read_of_a_judge_file_and_is_missing_is_named(
    registered: Path, tmp_path: Path, change: Change, named: str
) -> None:
    path = changed(registered, tmp_path / "v", change)
    with pytest.raises((RegistryError, DataError)) as caught:
        find_judge(str(path.parent), tmp_path)
    assert named in str(caught.value)
    assert "judge.json" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: tree["config"].pop("filtering"),
        lambda tree: tree["config"]["filtering"].pop("keep"),
        lambda tree: tree["config"].update(filtering=None),
        lambda tree: tree["config"]["filtering"].update(keep=1),
    ],
)
def test_a_version_whose_arm_of_the_study_is_not_known_is_an_error_that_names_the_key(
    registered: Path, tmp_path: Path, change: Change
) -> None:
    judge = read_judge_file(changed(registered, tmp_path / "v", change), "models:/judge/1")
    with pytest.raises(DataError, match=r"judge\.json .*`config\.filtering\.keep` is missing"):
        _ = judge.keep


def test_a_judge_file_is_not_written_beside_another_adapter(
    registered: Path, tmp_path: Path
) -> None:
    judge = read_judge_file(registered / JUDGE_FILE, "v")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with pytest.raises(RegistryError, match="is not the adapter"):
        write_judge_file(tmp_path, judge)
    unnamed = msgspec.structs.replace(judge.model, adapter_sha256="")
    written = write_judge_file(tmp_path, msgspec.structs.replace(judge, model=unnamed))
    assert read_judge_file(tmp_path / JUDGE_FILE, "v") == written


BORROWED: dict[str, Change] = {
    "another adapter's hash": lambda tree: tree["model"].update(adapter_sha256="0" * 24),
    "no hash": lambda tree: tree["model"].update(adapter_sha256=""),
    "no adapter": lambda tree: tree["model"].update(adapter=None),
    "no files": lambda tree: tree.update(adapter_files={}),
    "other files": lambda tree: tree["adapter_files"]["adapter_config.json"].update(bytes=1),
}


@pytest.mark.parametrize("change", BORROWED.values(), ids=BORROWED)
def test_a_hash_that_is_not_the_adapter_s_is_refused(
    registered: Path, tmp_path: Path, change: Change
) -> None:
    path = changed(registered, tmp_path / "v", change)
    with pytest.raises(RegistryError, match="its scores are another judge's"):
        read_judge_file(path, "models:/judge/1")


def test_an_adapter_with_other_bytes_is_used_nowhere(registered: Path, tmp_path: Path) -> None:
    judge = read_judge_file(registered / JUDGE_FILE, "v")
    store = FolderStore(tmp_path / "store")
    other = tmp_path / "other"
    other.mkdir()
    (other / "adapter_config.json").write_text("{}")
    (other / "adapter_model.safetensors").write_bytes(b"other")
    upload_folder(store, other, "train/k/adapter")
    upload_folder(store, registered / "adapter", "train/right/adapter")
    for adapter in ("train/k/adapter", str(other)):
        model = msgspec.structs.replace(judge.model, adapter=adapter)
        with pytest.raises(StoreError, match=f"{adapter} is not the expected adapter"):
            fetch_adapter(model, store, tmp_path / "fetched" / adapter.strip("/"))
        unnamed = msgspec.structs.replace(model, adapter_sha256="")
        assert fetch_adapter(unnamed, store, tmp_path / "unnamed" / adapter.strip("/"))
    right = msgspec.structs.replace(judge.model, adapter="train/right/adapter")
    assert fetch_adapter(right, store, tmp_path / "right")


def test_an_empty_base_is_refused() -> None:
    for base in ("", "  "):
        with pytest.raises(ConfigError, match=r"model\.base is empty"):
            describe_base(base, None)


def forged(loop: Loop, version: Path, folder: Path, change: Change) -> None:
    """Registers a version with another judge file, as somebody with access to MLflow could."""
    import shutil

    def fill(into: Path) -> None:
        shutil.copytree(version / "adapter", into / "adapter")
        changed(version, into, change)

    tags = {LOOP_TAG: "forged", ITERATION_TAG: "1"}
    run = iteration_run(loop_run(loop.name, "forged", ""), "forged", 1)
    made = register_version(loop.name, fill, run, "forged", tags)
    promote(loop.name, made.version, instead_of=None)


@pytest.fixture
def match(sqlite_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """A loop with two versions whose weaker one was fetched."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", sqlite_uri)
    loop = Loop(tmp_path / "store", f"judge-{tmp_path.name}")
    loop.scores("evaluate", 0, right=10)
    loop.register(1, tmp_path, validation=20, gold=15)
    loop.register(2, tmp_path, validation=21, gold=40)
    fetch_version(f"models:/{loop.name}/1", tmp_path / "weak")
    fetch_version(f"models:/{loop.name}/2", tmp_path / "strong")
    return loop


def test_a_champion_with_the_scores_of_another_judge_ends_the_promotion(
    match: Loop, tmp_path: Path
) -> None:
    strong = read_judge_file(tmp_path / "strong" / JUDGE_FILE, "strong")
    forged(match, tmp_path / "weak", tmp_path, lambda t: t.update(manifests=strong.manifests))
    with pytest.raises(RegistryError, match="names the gold results of another judge"):
        match.promote()


def test_a_champion_that_says_it_were_another_adapter_ends_the_promotion(
    match: Loop, tmp_path: Path
) -> None:
    strong = msgspec.json.decode((tmp_path / "strong" / JUDGE_FILE).read_bytes())
    forged(match, tmp_path / "weak", tmp_path, lambda tree: tree.update(strong))
    assert resolve_model(f"models:/{match.name}@champion").judge.manifests == strong["manifests"]
    with pytest.raises(RegistryError, match=r"adapter_config\.json.* differ from what judge\.json"):
        match.promote()


def test_a_champion_with_its_own_scores_is_met(match: Loop, tmp_path: Path) -> None:
    promote(match.name, "1", instead_of=None)
    made = match.promote()
    assert (made.result.gate.decision, made.result.champion_version) == ("promote", "1")
    assert content_key(folder_checksums(tmp_path / "adapter-2")) == made.model.adapter_sha256
    assert aliases(match.name)["champion"] == "2"
