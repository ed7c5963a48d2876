"""The stages as pipeline tasks: texts, numbers and file paths in, a manifest file out.

This is all that a component calls. Each task opens the store, runs its stage, writes the manifest
to `out` and enters the result, or the failure, into the loop's ledger.
"""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from judgeloop.runtime.garbage_collector import collect_rarely
from judgeloop.runtime.ledger import AFTER_LOOP, BASE_ITERATION, Entry, Ledger
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.redaction import hidden, hide_secrets
from judgeloop.schema.config import Config, config_from_json
from judgeloop.schema.errors import ConfigError, JudgeLoopError, StarvedError
from judgeloop.schema.records import Manifest, ModelRef, to_json
from judgeloop.store import Store, open_store
from judgeloop.store.shards import read_manifest

if TYPE_CHECKING:
    from judgeloop.ops.doctor.quota import Asked

T = TypeVar("T")
logger = logging.getLogger("judgeloop")

TRAIN, STARVED, CONTINUE = "train", "starved", "continue"


class Task(msgspec.Struct, frozen=True):
    """Where a task runs: its loop's configuration, store and ledger."""

    config: Config
    store: Store
    ledger: Ledger
    stage: str
    iteration: int
    partition: int | None = None

    @classmethod
    def open(
        cls, stage: str, config: str, loop_id: str, iteration: int, partition: int | None = None
    ) -> Task:
        """Opens a task from the pipeline's parameters."""
        collect_rarely()
        settings = config_from_json(config)
        endpoint = settings.engine.endpoint
        hide_secrets(
            f"%(asctime)s %(levelname)s loop={loop_id} iteration={iteration} stage={stage} "
            "%(message)s",
            log_level("INFO"),
            endpoint.key_variable if endpoint else None,
        )
        store = open_store(settings.store)
        return cls(settings, store, Ledger(store, loop_id), stage, iteration, partition)

    def run(self, work: Callable[[], Manifest], out: str | None = None) -> Manifest:
        """Does the work, enters it into the ledger and writes its manifest to `out`."""
        started, clock = datetime.now(UTC), time.monotonic()
        logger.info("started")
        with self.failures_recorded():
            manifest = work()
            self._enter(started, clock, manifest=manifest)
        logger.info("done key=%s counts=%s", manifest.key, manifest.counts)
        if out is not None:
            Path(out).write_bytes(to_json(manifest) + b"\n")
        return manifest

    @contextmanager
    def failures_recorded(self) -> Iterator[None]:
        """Enters an error of the block into the ledger, with its exit code, and lets it pass."""
        started, clock = datetime.now(UTC), time.monotonic()
        try:
            yield
        except Exception as error:
            text, code = f"{type(error).__name__}: {error}", JudgeLoopError.exit_code
            if isinstance(error, JudgeLoopError):
                text, code = str(error), error.exit_code
            text = hidden(text)
            logger.error("failed: %s", text)
            try:
                self._enter(started, clock, error=text, exit_code=code)
            except JudgeLoopError as second:  # the store may be what failed
                logger.error("the failure could not be entered into the ledger: %s", second)
            raise

    def _enter(
        self,
        started: datetime,
        clock: float,
        manifest: Manifest | None = None,
        error: str | None = None,
        exit_code: int = 0,
    ) -> None:
        self.ledger.record(
            Entry(
                stage=self.stage,
                iteration=self.iteration,
                partition=self.partition,
                manifest=manifest,
                error=error,
                exit_code=exit_code,
                seconds=round(time.monotonic() - clock, 3),
                started_at=started.isoformat(timespec="seconds"),
            )
        )


def resolve(config: str, loop_id: str, out: str, asked: Asked | None = None) -> None:
    """Claims the loop id and turns the start model's alias into a version and a hash.

    On a cluster it is the preflight too: no pod with a GPU is asked for before it has passed.

    Args:
        config: The configuration.
        loop_id: The loop.
        out: File that gets the manifest.
        asked: What one task of each kind asks of the cluster; None where that is not known.
    """
    from judgeloop.ops.doctor.pod import on_cluster
    from judgeloop.ops.doctor.preflight import require_sound
    from judgeloop.runtime.stages.resolve import resolve as stage

    task = Task.open("resolve", config, loop_id, BASE_ITERATION)
    task.ledger.begin(task.config)  # a refusal must not enter the ledger of the other loop

    def work() -> Manifest:
        if on_cluster():
            require_sound(task.config, asked)
        return stage(task.config, task.store, task.ledger)

    task.run(work, out)


def ingest(config: str, loop_id: str, out: str) -> None:
    """Brings questions and images into the store."""
    from judgeloop.runtime.stages.ingest import ingest as stage

    task = Task.open("ingest", config, loop_id, BASE_ITERATION)
    task.run(lambda: stage(task.config, task.store), out)


def hold_out(config: str, loop_id: str, questions: str, model: str, out: str) -> None:
    """Makes the held-out synthetic pairs."""
    from judgeloop.runtime.stages.synthesize import hold_out as stage

    task = Task.open("hold_out", config, loop_id, BASE_ITERATION)
    task.run(lambda: stage(task.config, task.store, _read(questions), _model(model)), out)


def synthesize(
    config: str, loop_id: str, iteration: int, partition: int, questions: str, model: str, out: str
) -> None:
    """Makes one partition's pairs."""
    from judgeloop.runtime.stages.synthesize import synthesize as stage

    task = Task.open("synthesize", config, loop_id, iteration, partition)
    task.run(
        lambda: stage(
            task.config, task.store, iteration, partition, _read(questions), _model(model)
        ),
        out,
    )


def judge(
    config: str, loop_id: str, iteration: int, partition: int, pairs: str, model: str, out: str
) -> None:
    """Judges one partition's pairs in both orders."""
    from judgeloop.runtime.stages.judge import judge as stage

    task = Task.open("judge", config, loop_id, iteration, partition)
    task.run(
        lambda: stage(task.config, task.store, iteration, partition, _read(pairs), _model(model)),
        out,
    )


def filter(
    config: str,
    loop_id: str,
    iteration: int,
    pairs: Sequence[str],
    judgements: Sequence[str],
    out: str,
) -> None:
    """Keeps the judgements that agree with the known preference."""
    from judgeloop.runtime.stages.filter import filter_judgements

    task = Task.open("filter", config, loop_id, iteration)
    task.run(
        lambda: filter_judgements(
            task.config,
            task.store,
            [_read(path) for path in pairs],
            [_read(path) for path in judgements],
        ),
        out,
    )


def enough(config: str, loop_id: str, iteration: int, examples: str) -> str:
    """Returns `train` where there are enough examples, else `starved`: the loop stops.

    Raises:
        StarvedError: In the first iteration, where nothing has been learnt yet.
    """
    from judgeloop.runtime.stages.decide import decide_starved

    task = Task.open("enough", config, loop_id, iteration)
    kept = _read(examples)
    if kept.rows >= task.config.filtering.min_examples:
        return TRAIN
    stop = msgspec.structs.replace(task, stage="decide")  # the iteration's decision
    decision = stop.run(lambda: decide_starved(task.config, task.ledger, iteration, kept))
    if iteration == BASE_ITERATION + 1:
        with task.failures_recorded():
            raise StarvedError(decision.details["reason"])
    return STARVED


def train(config: str, loop_id: str, iteration: int, examples: str, model: str, out: str) -> None:
    """Fine-tunes the judge; `model` is the judge to go on from."""
    from judgeloop.runtime.stages.train import train as stage

    task = Task.open("train", config, loop_id, iteration)
    task.run(lambda: stage(task.config, task.store, iteration, _read(examples), _model(model)), out)


def validate(config: str, loop_id: str, iteration: int, pairs: str, model: str, out: str) -> None:
    """Scores the judge on held-out synthetic pairs."""
    from judgeloop.runtime.stages.validate import validate as stage

    task = Task.open("validate", config, loop_id, iteration)
    task.run(lambda: stage(task.config, task.store, iteration, _read(pairs), _model(model)), out)


def evaluate(config: str, loop_id: str, iteration: int, model: str, out: str) -> None:
    """Scores the judge on gold pairs."""
    from judgeloop.runtime.stages.evaluate import evaluate as stage

    task = Task.open("evaluate", config, loop_id, iteration)
    task.run(lambda: stage(task.config, task.store, iteration, _model(model)), out)


def register(
    config: str,
    loop_id: str,
    iteration: int,
    trained: str,
    validation: str,
    evaluation: str,
    examples: str,
    out: str,
) -> None:
    """Registers the iteration's judge as a model version."""
    from judgeloop.runtime.stages.register import register as stage

    task = Task.open("register", config, loop_id, iteration)
    paths = (trained, validation, evaluation, examples)
    task.run(
        lambda: stage(task.config, task.store, task.ledger, iteration, *map(_read, paths)), out
    )


def decide(config: str, loop_id: str, iteration: int, validation: str) -> str:
    """Returns `continue` or `stop`; `validation` is the result that the decision waits for."""
    from judgeloop.runtime.stages.decide import decide as stage

    task = Task.open("decide", config, loop_id, iteration)
    _read(validation)
    return task.run(lambda: stage(task.config, task.ledger, iteration)).details["decision"]


def promote(config: str, loop_id: str, out: str) -> None:
    """Gates the best version against the champion and moves the alias or refuses."""
    from judgeloop.runtime.stages.promote import promote as stage

    task = Task.open("promote", config, loop_id, AFTER_LOOP)
    task.run(lambda: stage(task.config, task.store, task.ledger), out)


def report(config: str, loop_id: str, status: str, out: str) -> None:
    """Writes the report into the store, and its page to `out`.

    Args:
        config: The configuration.
        loop_id: The loop.
        status: How the pipeline ended, such as `SUCCEEDED` or `FAILED: <message>`.
        out: File that gets the HTML page.
    """
    from judgeloop.runtime.stages.inference import open_library
    from judgeloop.runtime.stages.report import report as stage

    task = Task.open("report", config, loop_id, AFTER_LOOP)
    try:
        task.ledger.check(task.config)
    except ConfigError as error:
        Path(out).write_text(f"<pre>No report: {html.escape(str(error))}</pre>\n")
        return
    with task.failures_recorded():
        images = open_library(task.config, task.store)
        files = stage(task.config, task.store, task.ledger, images, hidden(status))
        Path(out).write_bytes(task.store.read(files.html))


def metrics_of(path: str) -> dict[str, float]:
    """Returns the metrics of a manifest file, for the pipeline's user interface."""
    return _read(path).metrics


def _read(path: str) -> Manifest:
    return read_manifest(Path(path).read_bytes(), path)


def _model(path: str) -> ModelRef:
    model = _read(path).model
    if model is None:
        raise JudgeLoopError(f"{path}: this manifest names no model")
    return model
