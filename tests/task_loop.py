"""A whole loop of scripted models, task by task in this process: what a pipeline's tasks leave."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from judgeloop.runtime import tasks
from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.config import Config, load_config
from judgeloop.store import Store, open_store
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines" / "configs" / "micro.yaml"
MODEL_NAME = "judge"
SMALL = ("data.count=24", "evaluation.count=12", "data.shard_size=8", "report.gallery=1",
         "model.base='scripted:skill=0.6'")  # fmt: skip


class TaskLoop(NamedTuple):
    """A loop that is run by hand."""

    config: Config
    loop_id: str
    folder: Path
    """Gets the tasks' manifests."""

    @property
    def store(self) -> Store:
        """The loop's store."""
        return open_store(self.config.store)

    @property
    def ledger(self) -> Ledger:
        """The loop's ledger."""
        return Ledger(self.store, self.loop_id)

    def path(self, name: str) -> str:
        """Where a task's manifest goes."""
        return str(self.folder / f"{self.loop_id}-{name}.out")

    def run(self, until: str = "report") -> TaskLoop:
        """Runs the tasks in order, up to the first one of this stage in the last iteration."""
        call = {"config": self.config.to_json(), "loop_id": self.loop_id}
        tasks.resolve(**call, out=self.path("resolve"), judge_out=self.path("current"))
        tasks.run("ingest", **call, out=self.path("ingest"))
        start = {"questions": self.path("ingest"), "model": self.path("resolve")}
        tasks.run("hold_out", **call, **start, out=self.path("hold_out"))
        self._measure(0, self.path("resolve"))
        model = self.path("resolve")
        for iteration in range(1, self.config.loop.iterations + 1):
            last = iteration == self.config.loop.iterations
            if not self._iterate(iteration, model, until if last else ""):
                return self
            model = self.path(f"train{iteration}")
        tasks.promote(**call, out=self.path("promote"))
        tasks.report(**call, out=self.path("report"))
        return self

    def _iterate(self, iteration: int, model: str, until: str) -> bool:
        call = {"config": self.config.to_json(), "loop_id": self.loop_id, "iteration": iteration}
        pairs, judged, kept, trained = (
            self.path(f"{stage}{iteration}") for stage in ("synthesize", "judge", "filter", "train")
        )
        asked = {"questions": self.path("ingest"), "model": model}
        tasks.run("synthesize", **call, partition=0, out=pairs, **asked)
        if until == "judge":
            return False
        tasks.run("judge", **call, partition=0, pairs=pairs, model=model, out=judged)
        tasks.run("filter", **call, pairs=[pairs], judgements=[judged], out=kept)
        tasks.enough(**call, examples=kept)
        tasks.run("train", **call, examples=kept, model=model, out=trained)
        self._measure(iteration, trained)
        tasks.run(
            "register", **call, trained=trained, validation=self.path(f"validate{iteration}"),
            evaluation=self.path(f"evaluate{iteration}"), examples=kept,
            out=self.path(f"register{iteration}"),
        )  # fmt: skip
        tasks.decide(**call, validation=self.path(f"validate{iteration}"))
        return True

    def _measure(self, iteration: int, model: str) -> None:
        call = {"config": self.config.to_json(), "loop_id": self.loop_id, "iteration": iteration}
        pairs, out = self.path("hold_out"), self.path(f"validate{iteration}")
        tasks.run("validate", **call, pairs=pairs, model=model, out=out)
        tasks.run("evaluate", **call, model=model, out=self.path(f"evaluate{iteration}"))


def task_loop(
    folder: Path, loop_id: str, *changes: str, store: str = "", iterations: int = 1
) -> TaskLoop:
    """Makes a small loop of one partition.

    Args:
        folder: Gets manifests, and the store unless another one is given.
        loop_id: Its name.
        changes: `section.key=value` changes of the configuration.
        store: URI of the store.
        iterations: All of them are run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = [*SMALL, f"loop.iterations={iterations}", f"loop.patience={iterations}"]
    settings += [f"store={store or folder / 'store'}", f"registry.model_name={MODEL_NAME}"]
    return TaskLoop(load_config(MICRO, [*settings, *changes]), loop_id, folder)
