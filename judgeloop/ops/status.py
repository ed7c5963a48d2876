"""The progress of a loop: what is done, what is missing, what it cost, and what to do next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from judgeloop.report.history import LoopHistory, read_history, summed
from judgeloop.runtime.ledger import AFTER_LOOP, BASE_ITERATION, Entry, Ledger, is_loop_id
from judgeloop.runtime.stage_table import stage_place, stages_of
from judgeloop.schema.records import Record, from_json
from judgeloop.schema.results import Decision, Funnel, Promotion, Supply
from judgeloop.schema.section import Positive
from judgeloop.store import Store

State = Literal["finished", "failed", "running", "stopped"]
"""`stopped`: neither finished nor failed, and no worker is active: interrupted or killed."""


class StageCost(Record, frozen=True, kw_only=True):
    """The cost of the finished tasks of one stage."""

    stage: str
    tasks: int
    rows: int
    """Records in their shards."""
    seconds: float
    """Duration of the runs that did the work, summed over tasks that may have run in parallel."""
    gpu_seconds: float = 0.0
    """GPUs of the tasks times their seconds."""
    generated: int = 0
    """Tokens that an engine generated for them."""


class TaskFailure(Record, frozen=True, kw_only=True):
    """A task that failed in the loop's last run."""

    task: str
    error: str
    exit_code: int


class LoopStatus(Record, frozen=True, kw_only=True):
    """The progress of one loop."""

    loop_id: str
    state: State
    iterations: int
    """Number of decided iterations."""
    bound: int
    """`loop.iterations`: there may be fewer."""
    costs: tuple[StageCost, ...]
    """By stage, in the order of the loop."""
    seconds: float
    tokens: dict[str, int]
    """Tokens by kind, if counted: `completion` by `judge` and by endpoints, `prompt` by
    endpoints."""
    missing: tuple[str, ...]
    """Next tasks, as far as they are known: those after `decide` are not."""
    failures: tuple[TaskFailure, ...]
    workers: tuple[str, ...]
    """Active workers."""
    ended: str
    """Why the loop ended, and what the gate decided; empty if it has not."""
    model_name: str
    champion: str | None
    """The version that was champion after the loop."""
    report: str | None
    """Address of the report in the store."""


class _Bounds(msgspec.Struct):
    iterations: Positive
    partitions: Positive


class _Registry(msgspec.Struct):
    model_name: str


class LoopSettings(msgspec.Struct):
    """The part of a loop's configuration that is read here."""

    loop: _Bounds
    registry: _Registry


def loop_ids(store: Store) -> list[str]:
    """Returns the ids of the loops in a store.

    Raises:
        StoreError: The store cannot be read.
    """
    keys = (key.split("/") for key in store.list("loops"))
    return sorted({it[1] for it in keys if it[2:] == ["loop.json"] and is_loop_id(it[1])})


def read_status(store: Store, loop_id: str, workers: Sequence[str] = ()) -> LoopStatus:
    """Reads the progress of a loop.

    Args:
        store: The loop's store.
        loop_id: A loop that was started there.
        workers: Active workers, as text.

    Raises:
        StoreError, DataError: Its ledger cannot be read.
    """
    ledger = Ledger(store, loop_id)
    entries = ledger.entries()
    history = read_history(ledger, "")
    place = f"loops/{loop_id}/loop.json"
    settings = from_json(store.read(place), LoopSettings, place)
    missing = tuple(_missing(entries, settings.loop, ledger.evaluates))
    page = "table.txt" if ledger.evaluates else "report.html"
    report = f"loops/{loop_id}/report/{page}"
    return LoopStatus(
        loop_id=loop_id,
        state=_state(entries, missing, workers),
        iterations=len([item for item in history.iterations if item.decision]),
        bound=settings.loop.iterations,
        costs=_costs(entries),
        seconds=round(sum(entry.seconds for entry in entries), 3),
        tokens=summed(entry.manifest.tokens for entry in entries if entry.manifest),
        missing=missing,
        failures=tuple(
            TaskFailure(
                task=entry.name, error=entry.error or "no message", exit_code=entry.exit_code
            )
            for entry in entries
            if entry.manifest is None
        ),
        workers=tuple(workers),
        ended=_ended(history),
        model_name=settings.registry.model_name,
        champion=history.champion_version,
        report=f"{store.uri}/{report}" if store.exists(report) else None,
    )


def outcome_of(entry: Entry) -> str:
    """Returns the result of a task if it decides how the loop continues."""
    match entry.manifest and entry.manifest.result:
        case Funnel() as found:
            return f"{found.kept} of {found.pairs} pairs kept"
        case Supply() | Decision() as found:
            return f"{found.action}: {found.reason}"
        case Promotion() as found:
            return f"{found.gate.decision}: {found.gate.reason}"
    return ""


def _state(entries: Sequence[Entry], missing: Sequence[str], workers: Sequence[str]) -> State:
    if workers:
        return "running"
    if any(entry.manifest is None for entry in entries):
        return "failed"
    return "stopped" if missing else "finished"


def _missing(entries: Sequence[Entry], settings: _Bounds, evaluates: bool) -> Iterator[str]:
    """Yields the names of the tasks that are not done, up to the next decision."""
    done = {entry.name: entry.manifest for entry in entries if entry.manifest}
    last = max((entry.iteration for entry in _in_loop(entries)), default=0)
    if evaluates:
        parts = range(settings.partitions)
        tasks = [_task("judge_sets", BASE_ITERATION, part) for part in parts]
        wanted = [_task("resolve", BASE_ITERATION), *tasks, _task("record", BASE_ITERATION)]
        yield from (task for task in wanted if task not in done)
        return
    end = [_task(spec.name, AFTER_LOOP) for spec in stages_of("end") if spec.in_ledger]
    wanted = [_task(spec.name, BASE_ITERATION) for spec in stages_of("start")]
    for iteration in range(1, settings.iterations + 1):
        if iteration > last and done.keys() >= set(end):
            break  # it was compiled for fewer iterations
        supply, decided = (done.get(_task(gate, iteration)) for gate in ("enough", "decide"))
        starved = supply is not None and supply.expect(Supply).action == "starved"
        wanted += _tasks_of(iteration, settings.partitions, starved)
        if starved or decided is None or decided.expect(Decision).action != "continue":
            break
    yield from (task for task in [*wanted, *end] if task not in done)


def _tasks_of(iteration: int, partitions: int, starved: bool) -> Iterator[str]:
    """Yields the names of an iteration's tasks; a starved one ends with its first gate."""
    specs = stages_of("iteration")
    if starved:
        specs = specs[: [spec.name for spec in specs].index("enough") + 1]
    for partition in range(partitions):
        yield from (_task(spec.name, iteration, partition) for spec in specs if spec.partitioned)
    yield from (_task(spec.name, iteration) for spec in specs if not spec.partitioned)


def _task(stage: str, iteration: int, partition: int | None = None) -> str:
    return Entry(stage=stage, iteration=iteration, partition=partition).name


def _in_loop(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.iteration != AFTER_LOOP]


def _costs(entries: Sequence[Entry]) -> tuple[StageCost, ...]:
    by_stage: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_stage[entry.stage].append(entry)
    return tuple(
        StageCost(
            stage=stage,
            tasks=sum(entry.manifest is not None for entry in found),
            rows=sum(entry.manifest.rows for entry in found if entry.manifest),
            seconds=round(sum(entry.seconds for entry in found), 3),
            gpu_seconds=round(sum(entry.gpu_seconds for entry in found), 3),
            generated=sum(entry.generated for entry in found),
        )
        for stage, found in sorted(by_stage.items(), key=lambda item: stage_place(item[0]))
    )


def _ended(history: LoopHistory) -> str:
    gate = history.promotion
    if gate is None:
        return ""
    verb = "promoted" if gate.promoted else "refused"
    return "; ".join(filter(None, [history.stopped_because, f"{verb}: {gate.reason}"]))
