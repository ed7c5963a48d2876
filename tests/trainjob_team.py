"""A loop's team: its store, its examples, and trainings that go into TrainJobs of a stand-in."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stage_settings import TrainSettings, select_settings
from judgeloop.runtime.stages.train import train
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.records import Example, Manifest, ModelRef
from judgeloop.store import FolderStore
from judgeloop.store.shards import Work, write_shards
from judgeloop.trainjob import follow as follow_module
from judgeloop.trainjob import jobs as jobs_module
from judgeloop.trainjob import watch as watch_module
from judgeloop.trainjob.place import VARIABLE
from pipelines.job_place import job_place
from pipelines.profile import read_profile
from tests.conftest import REPOSITORY
from tests.trainer_api import (
    Step,
    Timeline,
    TrainerApi,
    condition,
    pod,
    status,
    terminated,
)

CONFIG = load_config(
    REPOSITORY / "pipelines/configs/micro.yaml", ["training.where=trainjob", "loop.seed=3"]
)
BASE = ModelRef(base="scripted:skill=0.2")
FASTER = 0.02
"""Factor of the recorded times."""
DONE = Step("TrainJob", "MODIFIED", condition("Complete", "True", "AllJobsCompleted", succeeded=1))
RUNS = [
    Step("TrainJob", "MODIFIED", status(active=1)),
    Step("Pod", "ADDED", pod(phase="Running")),
    Step("TrainJob", "MODIFIED", status(active=1, ready=1)),
]


class Team:
    """A loop's store and examples, and the trainings of its first iteration."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.store = FolderStore(folder / name)
        self.ledger = Ledger(self.store, "loop-1")
        rows = [Example(id="p/chosen_first/0", images=(), prompt="?", completion="A")]
        header = Manifest(stage="filter", stage_version=1, key="f" * 24)
        self.examples = write_shards(self.store, header, [rows], lambda batch: Work(batch))

    def train(self, config: Config = CONFIG) -> Manifest:
        settings = select_settings(config, TrainSettings)
        return train(settings, self.store, self.ledger, 1, self.examples, BASE)

    def objects(self) -> dict[str, bytes]:
        return {key: self.store.read(key) for key in sorted(self.store.list("train"))}


@pytest.fixture
def team(tmp_path: Path, trainer_api: TrainerApi, monkeypatch: pytest.MonkeyPatch) -> Team:
    place = job_place(read_profile("one-gpu"), "registry.example/judgeloop-gpu@sha256:" + "0" * 64)
    place = msgspec.structs.replace(place, queue="gpus", start_within_s=30)
    monkeypatch.setenv(VARIABLE, msgspec.json.encode(place).decode())
    for module in (jobs_module, watch_module):
        monkeypatch.setattr(module, "PAUSE_S", 0.05)
    monkeypatch.setattr(follow_module, "TICK_S", 0.2)
    return Team(tmp_path, "store")


def start_within(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    place = msgspec.json.decode(os.environ[VARIABLE]) | {"start_within_s": seconds}
    monkeypatch.setenv(VARIABLE, json.dumps(place))


def worker(job: dict[str, Any]) -> None:
    """The process of the job's pod."""
    given = job["spec"]["trainer"]
    assert given["command"][0] == "python"
    subprocess.run([sys.executable, *given["command"][1:], *given["args"]], check=True)


def well() -> Timeline:
    return [*RUNS, worker, Step("Pod", "MODIFIED", terminated(0, reason="Completed")), DONE]
