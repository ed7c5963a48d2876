"""Runs the stages as pipeline tasks: texts, numbers and file paths in, a manifest file out.

Components call nothing else. Each task opens the store, runs its stage, writes the manifest to
`out` and records the result, or the failure, in the loop's ledger. `run` does this for any stage of
the table; the functions after it decide how the loop continues, or begin or end it.
"""

from __future__ import annotations

import html
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from judgeloop.runtime import spent
from judgeloop.runtime.decided import loop_hash
from judgeloop.runtime.ending import State, read_ending
from judgeloop.runtime.failure import describe_error
from judgeloop.runtime.garbage_collector import collect_rarely
from judgeloop.runtime.json_log import About
from judgeloop.runtime.ledger import AFTER_LOOP, BASE_ITERATION, Entry, Ledger
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.lost_failures import log_lost
from judgeloop.runtime.machine import machine_here
from judgeloop.runtime.redaction import hide_secrets, shown
from judgeloop.runtime.reference import parse_reference
from judgeloop.runtime.stage_call import call_stage, read_input
from judgeloop.runtime.stage_settings import (
    DecideSettings,
    EnoughSettings,
    PromoteSettings,
    ReportSettings,
    ResolveSettings,
    select_settings,
)
from judgeloop.runtime.stage_table import stage_spec
from judgeloop.schema.config import Config, config_from_json
from judgeloop.schema.errors import ConfigError, JudgeLoopError, StarvedError, StoreError
from judgeloop.schema.records import Manifest, to_json
from judgeloop.schema.results import Decision, Supply
from judgeloop.store import Store, open_store

T = TypeVar("T")
logger = logging.getLogger("judgeloop")
_STATUS: dict[State, str] = {
    "finished": "SUCCEEDED",
    "continues": "RUNNING",
    "cancelled": "CANCELED",
    "failed": "FAILED",
    "interrupted": "INTERRUPTED",
}
"""Status of a run, as the report shows it."""


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
            iteration: The iteration within the run, which starts at 1 in every run of a loop. 0 and
                `AFTER_LOOP` are the same in every run.
            partition: The partition, for a partitioned stage.
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
            About(stage=stage, loop=loop_id, iteration=iteration, partition=partition),
        )
        return cls(settings, store, Ledger(store, loop_id), stage, iteration, partition, first)

    def run(self, work: Callable[[], Manifest], out: str | None = None) -> Manifest:
        """Does the work, records it in the ledger and writes its manifest to `out`."""
        started, clock = datetime.now(UTC), time.monotonic()
        logger.info("started")
        spent.take()
        with self.failures_recorded():
            manifest = work()
            if kind := stage_spec(self.stage).result:
                manifest.expect(kind)
            self.ledger.record(self._entry(started, clock, manifest=manifest))
            if out is not None:
                _write_output(Path(out), to_json(manifest) + b"\n")
        logger.info("done key=%s counts=%s", manifest.key, manifest.counts)
        return manifest

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
            text, code = describe_error(error)
            logger.error("failed: %s", text)
            entry = self._entry(started, clock, error=text, exit_code=code)
            if not in_ledger:
                log_lost(entry, "it may be another loop's")
                raise
            try:
                self.ledger.record(entry)
            except (JudgeLoopError, OSError) as second:  # the store itself may have failed
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
        seconds = time.monotonic() - clock
        used = spent.take(seconds if stage_spec(self.stage).gpu else 0.0)
        return Entry(
            stage=self.stage, iteration=self.iteration, partition=self.partition,
            manifest=manifest, error=error, exit_code=exit_code, seconds=round(seconds, 3),
            started_at=started.isoformat(timespec="seconds"),
            gpu_seconds=round(used.gpu_seconds, 3), generated=used.tokens, machine=machine_here(),
        )  # fmt: skip


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

    The stage's function is called with the arguments that its parameters name: `config`, which is
    the part of the configuration that its row in the table of stages declares, `store`, `ledger`,
    `iteration`, `partition`, `loop_hash`, `configuration`, or one of the inputs.

    Args:
        stage: Its name in the table of stages.
        config: The configuration.
        loop_id: The loop.
        out: File that gets the manifest.
        iteration: None for a stage that runs once.
        partition: None for a stage that has one task per iteration.
        inputs: Files of manifests, one or several per input. The stage gets the manifests; for an
            input `model`, the model that its manifest names.
    """
    spec = stage_spec(stage)
    if iteration is None:
        iteration = AFTER_LOOP if spec.phases == ("end",) else BASE_ITERATION
    task = Task.open(stage, config, loop_id, iteration, partition)

    def work() -> Manifest:
        given = {
            "store": task.store,
            "ledger": task.ledger,
            "iteration": task.iteration,
            "partition": task.partition,
            "loop_hash": loop_hash(task.config, task.store),
            "configuration": msgspec.to_builtins(task.config),
        }
        return call_stage(spec, task.config, given, inputs)

    return task.run(work, out)


def resolve(
    config: str, loop_id: str, out: str, judge_out: str, needs: Mapping[str, Any] | None = None
) -> None:
    """Claims the loop id and resolves the start model to a version and a hash.

    On a cluster it is also the preflight: no GPU pod is requested before it has passed. On this
    machine it tries the loop's names on the MLflow server, if there is one.

    Args:
        config: The configuration.
        loop_id: The loop.
        out: File that gets the manifest of the start model.
        judge_out: File that gets the manifest of the judge with which this run's first iteration
            begins: the judge that the previous run trained, else the start model.
        needs: Requirements of the tasks on the cluster (`judgeloop.ops.doctor.needs`); None if
            unknown.
    """
    from judgeloop.ops.doctor.needs import parse_needs
    from judgeloop.ops.doctor.preflight import log_around, require_registry, require_sound
    from judgeloop.runtime.holder_pod import on_cluster
    from judgeloop.runtime.stages.resolve import resolve as stage

    given = parse_needs(needs) if needs else None
    try:
        task = Task.open("resolve", config, loop_id, BASE_ITERATION)
    except JudgeLoopError:
        if on_cluster():
            log_around(given)  # the configuration is in the store, so nothing else is known here
        raise
    with task.failures_recorded(in_ledger=False):  # it may be another loop's
        task.ledger.begin(task.config)

    def work() -> Manifest:
        if on_cluster():
            require_sound(task.config, given)
        else:
            require_registry(task.config)
        return stage(select_settings(task.config, ResolveSettings), task.store, task.ledger)

    judge = task.run(work, out)
    if task.first > 1:
        (judge,) = task.ledger.manifests("train")[task.first - 1]
    Path(judge_out).write_bytes(to_json(judge) + b"\n")


def enough(config: str, loop_id: str, iteration: int, examples: str) -> str:
    """Returns `train` if there are enough examples, else `starved`: the loop stops.

    Raises:
        StarvedError: In the first iteration, since nothing has been trained yet.
    """
    from judgeloop.runtime.stages.decide import enough as stage

    task = Task.open("enough", config, loop_id, iteration)
    kept = read_input(examples)
    settings = select_settings(task.config, EnoughSettings)
    supply = task.run(lambda: stage(settings, kept)).expect(Supply)
    if supply.action == "starved" and task.iteration == BASE_ITERATION + 1:
        with task.failures_recorded():
            raise StarvedError(supply.reason)
    return supply.action


def decide(config: str, loop_id: str, iteration: int, validation: str) -> str:
    """Returns `continue` or `stop`, by this validation and, from the ledger, those before it."""
    from judgeloop.runtime.stages.decide import decide as stage

    task = Task.open("decide", config, loop_id, iteration)
    earlier = sorted(task.ledger.manifests("validate").items())
    scored = [made[0] for number, made in earlier if number < task.iteration]
    scored.append(read_input(validation))
    settings = select_settings(task.config, DecideSettings)
    made = task.run(lambda: stage(settings, task.iteration, scored, task.store))
    return made.expect(Decision).action


def promote(config: str, loop_id: str, out: str) -> None:
    """Compares the best version with the champion and promotes it or refuses.

    Nothing is decided or recorded if another run continues the loop.
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
    settings = select_settings(task.config, PromoteSettings)
    loop = (loop_id, loop_hash(task.config, task.store))
    task.run(lambda: stage(settings, task.store, *loop, registered, evaluations), out)


def report(config: str, loop_id: str, out: str) -> None:
    """Writes the report into the store, and its page to `out`; the ledger shows how the run ended.

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
        settings = select_settings(task.config, ReportSettings)
        images = open_library(settings.data, task.store)
        status = _STATUS[read_ending(task.ledger).state]
        identity = loop_hash(task.config, task.store)
        files = stage(settings, task.store, task.ledger, identity, images, status)
        Path(out).write_bytes(task.store.read(files.html))


def go_on(config: str, loop_id: str, run_id: str) -> None:
    """Starts the loop's next run on Kubeflow, if one is due; see `judgeloop.ops.next_run`.

    Args:
        config: The configuration.
        loop_id: The loop.
        run_id: The Kubeflow run whose last task this is.
    """
    from judgeloop.ops.next_run import start_next
    from judgeloop.runtime.holder_pod import on_cluster

    if on_cluster() and not config.startswith("{"):
        task = Task.open("report", config, loop_id, AFTER_LOOP)
        start_next(parse_reference(config), task.config, task.ledger, run_id)


def watch(config: str, loop_id: str, run_id: str, start_within_s: int) -> None:
    """Ends a Kubeflow run if one of its tasks never starts; see `judgeloop.ops.pods.watch`."""
    from judgeloop.ops.pods.watch import watch_run
    from judgeloop.runtime.holder_pod import on_cluster

    if on_cluster():
        form, about = "%(asctime)s %(levelname)s stage=watch %(message)s", About(stage="watch")
        hide_secrets(form, log_level("INFO"), about=about)
        watch_run(config, loop_id, run_id, start_within_s)


def metrics_of(path: str) -> dict[str, float]:
    """Returns the figures of a manifest file, for the pipeline's user interface."""
    result = read_input(path).result
    return result.metrics() if result else {}


def _write_output(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise StoreError(
            f"the task's output {path} cannot be written ({error.strerror}): make room on that "
            "disk, or let this user write there, then run again"
        ) from error
