"""Which checkpoint of a training is resumed from, and which are kept in the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from judgeloop.ops.own_keys import is_own
from judgeloop.runtime.checkpoints import Checkpoints
from judgeloop.schema.errors import StoreError, TrainingError
from judgeloop.store import FolderStore
from judgeloop.training import checkpoint as training_checkpoint
from judgeloop.training.checkpoint import (
    check_same_step,
    checkpoint_writer,
    gather_random_states,
    move_checkpoint,
)
from judgeloop.training.launch import store_newest
from tests.unit.test_training_job import make_job

KEY = "train/" + "0" * 24


def checkpoint(folder: Path, step: int, content: str = "weights") -> Path:
    path = folder / f"{step:06d}"
    path.mkdir(parents=True)
    (path / "optimizer.pt").write_text(content)
    (path / "trainer_state.json").write_text(str(step))
    return path


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def fetched(store: FolderStore, to: Path) -> str | None:
    path = Checkpoints(store, KEY).fetch_newest(to)
    return None if path is None else (path / "trainer_state.json").read_text()


def test_only_the_newest_checkpoint_stays_and_it_is_the_one_to_resume_from(
    store: FolderStore, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(store, KEY)
    for step in (50, 100, 1000000):
        checkpoints.store(checkpoint(tmp_path / "here", step))
    assert {key.split("/")[3] for key in store.list("")} == {"1000000"}
    assert fetched(store, tmp_path / "there") == "1000000"


def test_a_training_without_checkpoints_starts_at_its_first_step(
    store: FolderStore, tmp_path: Path
) -> None:
    assert fetched(store, tmp_path / "there") is None


def test_another_training_never_takes_a_checkpoint(store: FolderStore, tmp_path: Path) -> None:
    Checkpoints(store, "train/" + "1" * 24).store(checkpoint(tmp_path / "here", 1))
    assert fetched(store, tmp_path / "there") is None


def test_a_checkpoint_that_was_not_stored_whole_is_no_checkpoint(
    store: FolderStore, tmp_path: Path
) -> None:
    Checkpoints(store, KEY).store(checkpoint(tmp_path / "here", 1))
    store.write(f"{KEY}/checkpoints/000002/optimizer.pt", b"cut off")
    assert fetched(store, tmp_path / "there") == "1"


def test_a_damaged_checkpoint_is_named_and_an_older_one_taken(
    store: FolderStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for step in (1, 2):  # both are there where a kill came before the older one was removed
        other = FolderStore(tmp_path / f"store{step}")
        Checkpoints(other, KEY).store(checkpoint(tmp_path / "here", step))
        for key in other.list(""):
            store.write(key, other.read(key))
    store.write(f"{KEY}/checkpoints/000002/optimizer.pt", b"damaged")
    assert fetched(store, tmp_path / "there") == "1"
    assert "checkpoint at step 2 is not used" in caplog.text


def test_a_store_that_takes_no_checkpoint_does_not_end_the_training(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    def full(*_: object) -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(store, "upload", full)
    checkpoints = Checkpoints(store, KEY)
    checkpoints.store(checkpoint(tmp_path / "here", 7))
    assert "checkpoint at step 7 could not be stored, training continues: the disk" in caplog.text
    checkpoints.clear()


def test_a_training_that_stored_nothing_asks_the_store_for_nothing_at_its_end(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "list", None)
    Checkpoints(store, KEY).clear()


def test_clean_knows_every_file_of_a_checkpoint_as_ours(store: FolderStore, tmp_path: Path) -> None:
    saved = tmp_path / "checkpoint-3"
    saved.mkdir()
    for name in ("adapter_model.safetensors", "adapter_config.json", "optimizer.pt",
                 "scheduler.pt", "rng_state.pth", "rng_state_0.pth", "trainer_state.json",
                 "training_args.bin", "tokenizer.json"):  # fmt: skip
        (saved / name).write_text(name)
    move_checkpoint(saved, tmp_path / "checkpoints" / "000003")
    Checkpoints(store, KEY).store(tmp_path / "checkpoints" / "000003")
    keys = list(store.list(""))
    assert len(keys) == 8  # without the pickle and the tokenizer, with the checksums
    assert all(map(is_own, keys))
    assert not is_own(f"{KEY}/checkpoints/000003/thesis.txt")


def test_only_the_newest_of_several_new_checkpoints_is_handed_on(tmp_path: Path) -> None:
    for step in (1, 2, 10):
        checkpoint(tmp_path / "here", step)
    handed: list[str] = []
    store_newest(tmp_path / "none yet", lambda folder: handed.append(folder.name))
    for _ in range(2):
        store_newest(tmp_path / "here", lambda folder: handed.append(folder.name))
    assert handed == ["000010"]
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize(
    ("resume", "others", "said"),
    [
        ("checkpoints/000002", ["000002", "000002"], None),
        (None, [None], None),
        ("checkpoints/000004", ["000002"], r"\(000004, 000002\)"),
        ("checkpoints/000004", ["000004", None], r"\(000004, 000004, none\)"),
        (None, ["000004", "000002"], r"\(none, 000004, 000002\)"),
    ],
)
def test_nodes_that_resume_from_different_checkpoints_do_not_train_together(
    resume: str | None,
    others: list[str | None],
    said: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training_checkpoint, "of_all_processes", lambda say: [say(0), *others])
    if said is None:
        check_same_step(resume)
        return
    with pytest.raises(TrainingError, match=said):
        check_same_step(resume)


@pytest.fixture
def process_group() -> Iterator[None]:
    """Makes this process one of several that train together, though the only one."""
    import torch.distributed as processes

    processes.init_process_group("gloo", store=processes.HashStore(), rank=0, world_size=1)
    yield
    processes.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_processes_that_train_together_tell_each_other_their_random_states(tmp_path: Path) -> None:
    (tmp_path / "rng_state_0.pth").write_bytes(b"drawn")
    assert gather_random_states(tmp_path) == {"rng_state_0.pth": b"drawn"}
    check_same_step("checkpoints/000002")


def test_a_process_that_trains_alone_tells_nobody(tmp_path: Path) -> None:
    assert gather_random_states(tmp_path) == {}
    check_same_step("checkpoints/000002")


@pytest.mark.parametrize(
    ("first", "first_here", "kept", "left"),
    [
        (True, True, ["000007/optimizer.pt", "000007/rng_state_1.pth"], False),
        (False, True, [], False),  # of another node
        (False, False, [], True),  # beside the first of its node, which removes it
    ],
)
def test_the_first_process_alone_keeps_a_checkpoint_with_the_random_states_of_all(
    first: bool,
    first_here: bool,
    kept: list[str],
    left: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gathered(saved: Path) -> dict[str, bytes]:
        assert saved.is_dir()
        return {"rng_state_1.pth": b"of another node"}

    monkeypatch.setattr(training_checkpoint, "gather_random_states", gathered)
    job = make_job(tmp_path)
    writer = checkpoint_writer(job)
    for step in (6, 7):
        saved = Path(job.out) / f"checkpoint-{step}"
        saved.mkdir(parents=True)
        (saved / "optimizer.pt").touch()
        state = SimpleNamespace(
            global_step=step, is_world_process_zero=first, is_local_process_zero=first_here
        )
        writer.on_save(None, state, None)
        assert saved.exists() == left
    found = [file for file in job.checkpoints_folder.glob("*7/*")]
    names = sorted(str(file.relative_to(job.checkpoints_folder)) for file in found)
    assert names == kept
    assert all(file.read_bytes() == b"of another node" for file in found if "rng" in file.name)
