"""The stages as pipeline tasks: texts, numbers and file paths in, a manifest file out.

This is all that a component calls. Each task opens the store, runs its stage, writes the manifest
to `out` and enters the result, or the failure, into the loop's ledger. `run` does it for any stage
of the table; the functions after it are those that decide how the loop continues, or begin or end
it.
"""

from __future__ import annotations

import html
import importlib
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from judgeloop.runtime.ending import State, read_ending
from judgeloop.runtime.garbage_collector import collect_rarely
from judgeloop.runtime.ledger import AFTER_LOOP, BASE_ITERATION, Entry, Ledger
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.lost_failures import log_lost
from judgeloop.runtime.redaction import hidden, hide_secrets, shown
from judgeloop.runtime.reference import parse_reference
from judgeloop.runtime.stage_table import StageSpec, stage_spec
from judgeloop.schema.config import Config, config_from_json
from judgeloop.schema.errors import ConfigError, JudgeLoopError, StarvedError, StoreError
from judgeloop.schema.records import Manifest, ModelRef, to_json
from judgeloop.schema.results import Decision, Supply
from judgeloop.store import Store, open_store
from judgeloop.store.shards import read_manifest

T = TypeVar("T")
logger = logging.getLogger("judgeloop")
_STATUS: dict[State, str] = {
    "finished": "SUCCEEDED",
    "continues": "RUNNING",
    "cancelled": "CANCELED",
    "failed": "FAILED",
    "interrupted": "INTERRUPTED",
}
"""How a run ended, in the words of the report."""


class Task(msgspec.Struct, frozen=True):
    """Where a task runs: its loop's configuration, store and ledger."""

    config: Config
    store: Store
    ledger: Ledger
    stage: str
    iteration: int
    partition: int | None = None
    first: int = 1
    """The loop's iteration that this run begins with."""

    @classmethod
    def open(
        cls, stage: str, config: str, loop_id: str, iteration: int, partition: int | None = None
    ) -> Task:
        """Opens a task from the pipeline's parameters.

        Args:
            stage: The stage's name.
            config: A reference to the configuration (`judgeloop.runtime.reference`), or its JSON.
            loop_id: Names the loop.
            iteration: The iteration of the run: its first is 1, whatever it is in the loop. 0 and
                `AFTER_LOOP` are the same in every run.
            partition: For a stage that is cut into partitions.
        """
        collect_rarely()
        if config.startswith("{"):
            settings, first = config_from_json(config), 1
            store = open_store(settings.store)
        else:
            reference = parse_reference(config)
            settings, store = reference.read(loop_id)
            first = reference.first
        if iteration not in (BASE_ITERATION, AFTER_LOOP):
            iteration += first - 1
        endpoint = settings.engine.endpoint
        hide_secrets(
            f"%(asctime)s %(levelname)s loop={loop_id} iteration={iteration} stage={stage} "
            "%(message)s",
            log_level("INFO"),
            endpoint.key_variable if endpoint else None,
        )
        return cls(settings, store, Ledger(store, loop_id), stage, iteration, partition, first)

    def run(self, work: Callable[[], Manifest], out: str | None = None) -> Manifest:
        """Does the work, records it in the ledger and writes its manifest to `out`."""
        started, clock = datetime.now(UTC), time.monotonic()
        logger.info("started")
        with self.failures_recorded():
            manifest = work()
            if kind := stage_spec(self.stage).result:
                manifest.expect(kind)
            self.ledger.record(self._entry(started, clock, manifest=manifest))
            if out is not None:
                _write_output(Path(out), to_json(manifest) + b"\n")
        logger.info("done key=%s counts=%s", manifest.key, manifest.counts)
        return manifest

    def arguments(
        self, function: Callable[..., object], inputs: Mapping[str, str | Sequence[str]]
    ) -> dict[str, object]:
        """Returns the arguments of a stage's function, by the names of its parameters.

        Raises:
            TypeError: It has no such input, or one is not given.
            DataError, StoreError: An input is no manifest, or one of another schema.
        """
        known: dict[str, object] = {
            field.name: getattr(self.config, field.name) for field in msgspec.structs.fields(Config)
        }
        known |= {"config": self.config, "store": self.store, "ledger": self.ledger}
        known |= {"iteration": self.iteration, "partition": self.partition}
        known |= {name: _input(name, files) for name, files in inputs.items()}
        names = inspect.signature(function).parameters
        if strange := sorted(set(inputs) - set(names)):
            raise TypeError(f"{self.stage}: its function has no parameter {strange[0]}")
        return {name: known[name] for name in names}

    @contextmanager
    def failures_recorded(self, in_ledger: bool = True) -> Iterator[None]:
        """Records an error of the block in the ledger, with its exit code, and re-raises it.

        Args:
            in_ledger: False if the ledger may belong to another loop; the error is only logged.
        """
        started, clock = datetime.now(UTC), time.monotonic()
        try:
            yield
        except Exception as error:
            text, code = f"{type(error).__name__}: {error}", JudgeLoopError.exit_code
            if isinstance(error, JudgeLoopError):
                text, code = str(error), error.exit_code
            text = hidden(text)
            logger.error("failed: %s", text)
            entry = self._entry(started, clock, error=text, exit_code=code)
            if not in_ledger:
                log_lost(entry, "it may be another loop's")
                raise
            try:
                self.ledger.record(entry)
            except (JudgeLoopError, OSError) as second:  # the store may be what failed
                log_lost(entry, second)
            raise

    def _entry(
        self,
        started: datetime,
        clock: float,
        manifest: Manifest | None = None,
        error: str | None = None,
        exit_code: int = 0,
    ) -> Entry:
        return Entry(
            stage=self.stage,
            iteration=self.iteration,
            partition=self.partition,
            manifest=manifest,
            error=error,
            exit_code=exit_code,
            seconds=round(time.monotonic() - clock, 3),
            started_at=started.isoformat(timespec="seconds"),
        )


def run(
    stage: str,
    config: str,
    loop_id: str,
    out: str,
    iteration: int | None = None,
    partition: int | None = None,
    **inputs: str | Sequence[str],
) -> Manifest:
    """Runs a stage as one task of a loop.

    The stage's function is called with what its parameters name: `config`, `store`, `ledger`,
    `iteration`, `partition`, a section of the configuration, or one of the inputs.

    Args:
        stage: Its name in the table of stages.
        config: The configuration.
        loop_id: The loop.
        out: File that gets the manifest.
        iteration: None for a stage that runs once.
        partition: None for a stage that has one task an iteration.
        inputs: Files of manifests, one or several each. The stage gets the manifests; of an input
            `model` the model that its manifest names.
    """
    spec = stage_spec(stage)
    if iteration is None:
        iteration = AFTER_LOOP if spec.phases == ("end",) else BASE_ITERATION
    task = Task.open(stage, config, loop_id, iteration, partition)
    function = stage_function(spec)

    def work() -> Manifest:
        manifest: Manifest = function(**task.arguments(function, inputs))
        return manifest

    return task.run(work, out)


def resolve(
    config: str, loop_id: str, out: str, judge_out: str, needs: Mapping[str, Any] | None = None
) -> None:
    """Claims the loop id and turns the start model's alias into a version and a hash.

    On a cluster it is the preflight too: no pod with a GPU is asked for before it has passed. On
    this machine it tries the loop's names on the MLflow server, if there is one.

    Args:
        config: The configuration.
        loop_id: The loop.
        out: File that gets the manifest of the start model.
        judge_out: File that gets the manifest of the judge that this run's first iteration begins
            with: what the run before it has trained, else the start model.
        needs: What the tasks need of the cluster (`judgeloop.ops.doctor.needs`); None if that
            is not known.
    """
    from judgeloop.ops.doctor.needs import parse_needs
    from judgeloop.ops.doctor.pod import on_cluster
    from judgeloop.ops.doctor.preflight import log_around, require_registry, require_sound
    from judgeloop.runtime.stages.resolve import resolve as stage

    given = parse_needs(needs) if needs else None
    try:
        task = Task.open("resolve", config, loop_id, BASE_ITERATION)
    except JudgeLoopError:
        if on_cluster():
            log_around(given)  # the configuration lies in the store, so this is all that is known
        raise
    with task.failures_recorded(in_ledger=False):  # it may be another loop's
        task.ledger.begin(task.config)

    def work() -> Manifest:
        if on_cluster():
            require_sound(task.config, given)
        else:
            require_registry(task.config)
        return stage(task.config, task.store, task.ledger)

    judge = task.run(work, out)
    if task.first > 1:
        (judge,) = task.ledger.manifests("train")[task.first - 1]
    Path(judge_out).write_bytes(to_json(judge) + b"\n")


def enough(config: str, loop_id: str, iteration: int, examples: str) -> str:
    """Returns `train` where there are enough examples, else `starved`: the loop stops.

    Raises:
        StarvedError: In the first iteration, if nothing has been learnt yet.
    """
    from judgeloop.runtime.stages.decide import enough as stage

    task = Task.open("enough", config, loop_id, iteration)
    kept = _read(examples)
    supply = task.run(lambda: stage(task.config, kept)).expect(Supply)
    if supply.action == "starved" and task.iteration == BASE_ITERATION + 1:
        with task.failures_recorded():
            raise StarvedError(supply.reason)
    return supply.action


def decide(config: str, loop_id: str, iteration: int, validation: str) -> str:
    """Returns `continue` or `stop`, by this validation and, from the ledger, those before it."""
    from judgeloop.runtime.stages.decide import decide as stage

    task = Task.open("decide", config, loop_id, iteration)
    earlier = sorted(task.ledger.manifests("validate").items())
    scored = [made[0] for number, made in earlier if number < task.iteration] + [_read(validation)]
    return task.run(lambda: stage(task.config, task.iteration, scored)).expect(Decision).action


def promote(config: str, loop_id: str, out: str) -> None:
    """Gates the best version against the champion and moves the alias or refuses.

    Nothing is decided, and nothing recorded, where another run continues with the loop.
    """
    from judgeloop.runtime.stages.promote import promote as stage

    task = Task.open("promote", config, loop_id, AFTER_LOOP)
    ending = read_ending(task.ledger)
    if ending.state == "continues":
        logger.info("the loop continues with iteration %d in another run", ending.first)
        later = Manifest(stage=task.stage, stage_version=0, key="")
        Path(out).write_bytes(to_json(later) + b"\n")
        return
    registered, evaluations = (
        {iteration: made[-1] for iteration, made in task.ledger.manifests(name).items()}
        for name in ("register", "evaluate")
    )
    task.run(lambda: stage(task.config, task.store, loop_id, registered, evaluations), out)


def report(config: str, loop_id: str, out: str) -> None:
    """Writes the report into the store, and its page to `out`; how the run ended says the ledger.

    Args:
        config: The configuration.
        loop_id: The loop.
        out: File that gets the HTML page.
    """
    from judgeloop.runtime.stages.inference import open_library
    from judgeloop.runtime.stages.report import report as stage

    task = Task.open("report", config, loop_id, AFTER_LOOP)
    try:
        task.ledger.check(task.config)
    except ConfigError as error:
        Path(out).write_text(f"<pre>No report: {html.escape(shown(str(error)))}</pre>\n")
        return
    with task.failures_recorded():
        images = open_library(task.config, task.store)
        status = _STATUS[read_ending(task.ledger).state]
        files = stage(task.config, task.store, task.ledger, images, status)
        Path(out).write_bytes(task.store.read(files.html))


def go_on(config: str, loop_id: str, run_id: str) -> None:
    """Starts the loop's next run on Kubeflow, where one is due; see `judgeloop.ops.next_run`.

    Args:
        config: The configuration.
        loop_id: The loop.
        run_id: The run of Kubeflow that this is the last task of.
    """
    from judgeloop.ops.doctor.pod import on_cluster
    from judgeloop.ops.next_run import start_next

    if on_cluster() and not config.startswith("{"):
        task = Task.open("report", config, loop_id, AFTER_LOOP)
        start_next(parse_reference(config), task.config, task.ledger, run_id)


def metrics_of(path: str) -> dict[str, float]:
    """Returns the figures of a manifest file, for the pipeline's user interface."""
    result = _read(path).result
    return result.metrics() if result else {}


def _write_output(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StoreError(
            f"the task's output {path} cannot be written ({error.strerror}): make room on that "
            "disk, or let this user write there, then run again"
        ) from error


def _read(path: str) -> Manifest:
    return read_manifest(Path(path).read_bytes(), path)


def stage_function(spec: StageSpec) -> Callable[..., Manifest]:
    """Imports the function that does a stage's work."""
    module, _, name = spec.function.partition(":")
    function: Callable[..., Manifest] = getattr(
        importlib.import_module(f"judgeloop.runtime.stages.{module}"), name
    )
    return function


def _input(name: str, files: str | Sequence[str]) -> object:
    """Reads an input: a manifest, a list of them, or the model that a manifest names."""
    if not isinstance(files, str):
        return [_read(path) for path in files]
    return _model(files) if name == "model" else _read(files)


def _model(path: str) -> ModelRef:
    model = _read(path).model
    if model is None:
        raise JudgeLoopError(f"{path}: this manifest names no model")
    return model
