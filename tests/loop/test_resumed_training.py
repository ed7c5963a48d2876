"""A training that was cut at any step ends with the adapter of one that was not, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from judgeloop.models.adapter_config import CONFIG
from judgeloop.runtime.checkpoints import Checkpoints
from judgeloop.store import FolderStore
from judgeloop.training.checkpoint import PATTERNS, step_name
from judgeloop.training.launch import train_adapter
from tests.loop.test_training import (
    MakeJob,
    _one_thread_without_hub,  # noqa: F401 - a fixture
    adapter_bytes,
    make_job,  # noqa: F401 - a fixture
    train_here,
    world,  # noqa: F401 - a fixture
)

# Two epochs of 12 rows in batches of 4: a cut lies within an epoch, at its end, and in the next.
LONG = {"max_steps": None, "epochs": 2, "batch_size": 4, "micro_batch_size": 2}
STEPS = 6


def test_a_training_cut_at_any_step_ends_with_the_same_bytes_and_figures(
    make_job: MakeJob,  # noqa: F811
) -> None:
    whole = make_job("whole", settings=LONG | {"checkpoint_steps": 1})
    expected = train_here(whole)
    checkpoints = sorted(whole.checkpoints_folder.iterdir())
    assert [folder.name for folder in checkpoints] == [step_name(n) for n in range(1, STEPS + 1)]
    for checkpoint in checkpoints[:-1]:
        resumed = make_job(f"from{checkpoint.name}", settings=LONG, resume=str(checkpoint))
        metrics = train_here(resumed)
        assert adapter_bytes(resumed) == adapter_bytes(whole)
        assert {**metrics, "seconds": 0} == {**expected, "seconds": 0}


def test_a_checkpoint_holds_no_pickle_of_arguments_and_no_copy_of_the_processor(
    make_job: MakeJob,  # noqa: F811
) -> None:
    job = make_job("job", settings={"max_steps": 2, "checkpoint_steps": 1})
    train_here(job)
    (first, last) = sorted(job.checkpoints_folder.iterdir())
    for folder in (first, last):
        names = {file.name for file in folder.iterdir()}
        assert names == {name.replace("*", "") for name in PATTERNS}
    assert not list(Path(job.out).glob("checkpoint-*"))
    assert CONFIG in {file.name for file in job.adapter_folder.iterdir()}


@pytest.mark.slow
def test_a_killed_training_resumes_in_a_new_process_from_what_the_store_has(
    make_job: MakeJob,  # noqa: F811
    tmp_path: Path,
) -> None:
    store = FolderStore(tmp_path / "store")
    whole = make_job("whole", settings=LONG)
    train_here(whole)
    first = Checkpoints(store, "train/key")

    class Killed(Exception):
        """As a kill of the task: nothing after it is done."""

    def store_and_die(folder: Path) -> None:
        first.store(folder)
        raise Killed

    cut = make_job("cut", settings=LONG | {"checkpoint_steps": 1})
    with pytest.raises(Killed):
        train_adapter(cut, store_and_die)
    shutil.rmtree(cut.out)

    second = Checkpoints(store, "train/key")
    resume = second.fetch_newest(tmp_path / "fetched")
    assert resume is not None
    again = make_job("again", settings=LONG, resume=str(resume))
    train_adapter(again, second.store)
    log = again.log_file.read_text()
    assert f"step={int(resume.name) + 1}/{STEPS}" in log
    assert "step=1/" not in log
    assert adapter_bytes(again) == adapter_bytes(whole)
    second.clear()
    assert list(store.list("")) == []
