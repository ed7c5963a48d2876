"""When and where a loop ran, where its results are and the next command; drop reasons in words."""

from __future__ import annotations

import shlex
from collections import Counter
from datetime import datetime, timedelta

from judgeloop.report.history import LoopHistory, Task
from judgeloop.report.summary import NONE
from judgeloop.runtime.stage_settings import ReportSettings

REASONS = {
    "answer_empty": "the base model returned no answer to alter",
    "answer_too_long": "the base model's answer is too long to alter",
    "answer_truncated": "the base model's answer was cut off at the token limit",
    "bad_id": "the row's id is missing or is not text",
    "bad_image": "an image is missing, damaged or in an unsupported format",
    "bad_record": "the row does not match the documented schema",
    "bad_text": "a text is empty, too long or not printable",
    "contradiction": "another row states the opposite preference",
    "duplicate_id": "an earlier row has this id",
    "duplicate_pair": "an earlier row is the same pair",
    "engine_error": "the engine failed on this request",
    "in_benchmark": "an evaluated benchmark contains this image or prompt",
    "incomplete": "a field of the row is missing",
    "length": "the altered answer is much shorter or longer than its original",
    "mixed_split": "some of its images are held out, and others train",
    "no_kind_of_error": "no kind of error can be planted in the answer",
    "other_kind_of_error": "the altered answer has a different kind of error than requested",
    "rewritten": "the altered answer was rewritten, not changed in one point",
    "tie": "two answers got the most votes",
    "unanimous": "all sampled answers agree, so none is worse",
    "unchanged": "the altered answer means the same as the original",
    "unfinished_thinking": "the base model had not finished its reasoning at the token limit",
}
"""What each drop reason means."""


def this_run(history: LoopHistory, config: ReportSettings) -> list[tuple[str, str]]:
    """Returns the facts of the run itself, as pairs of name and value."""
    return [
        *_times(history),
        ("machine", _machines(history)),
        *_data(history, config),
        ("base", config.model.base),
        ("registered as", _versions(history, config)),
        ("experiment", config.registry.experiment),
        ("store", config.store),
        ("configuration", _configuration(history, config)),
        ("next", _next(history, config)),
    ]


def _machines(history: LoopHistory) -> str:
    tasks = Counter(task.machine or "not recorded" for task in history.tasks)
    if len(tasks) < 2:
        return next(iter(tasks), NONE)
    return "; ".join(f"{name} ({count} tasks)" for name, count in sorted(tasks.items()))


def _data(history: LoopHistory, config: ReportSettings) -> list[tuple[str, str]]:
    """Returns questions and gold pairs, each with its content key, which hashes rows and images."""
    rows = []
    made = next((task.manifest for task in _succeeded(history, "ingest")), None)
    if made is not None:
        used = made.input_rows - sum(made.dropped.values())
        said = f"{used} of {made.input_rows} rows used, content key {made.key}"
        rows.append(("questions", f"{config.data.questions}: {said}"))
    gold = next((item.gold for item in history.evaluated), None)
    if gold is not None:
        said = f"{config.evaluation.gold}: {gold.n} pairs, content key {gold.pairs}"
        rows.append(("gold pairs", said))
    return rows


def _versions(history: LoopHistory, config: ReportSettings) -> str:
    name = f"models:/{config.registry.model_name}"
    numbers = [item.version for item in history.iterations if item.version]
    if not numbers:
        return f"{name}, no version of this loop"
    champion = history.champion_version
    last = f"; version {champion} is champion" if champion else ""
    return f"{name}, version{'s'[: len(numbers) > 1]} {', '.join(numbers)}{last}"


def _configuration(history: LoopHistory, config: ReportSettings) -> str:
    whole = f"loops/{history.loop_id}/loop.json in the store"
    return f"engine {config.engine.kind}, seed {config.loop.seed}; full configuration: {whole}"


def _next(history: LoopHistory, config: ReportSettings) -> str:
    """Returns a command: it exports the champion; without one it shows the loop's status."""
    if history.failed or history.champion_version is None:
        return f"judgeloop status {config.store}"
    judge = f"models:/{config.registry.model_name}/{history.champion_version}"
    where = shlex.quote(config.store)  # a local run's registry is beside it
    return f"judgeloop export --run {where} --judge {judge} --out judge-{history.champion_version}"


def _succeeded(history: LoopHistory, stage: str) -> list[Task]:
    return [task for task in history.tasks if task.stage == stage and task.manifest]


def _times(history: LoopHistory) -> list[tuple[str, str]]:
    tasks = [(datetime.fromisoformat(t.started_at), t) for t in history.tasks if t.started_at]
    if not tasks:
        return []
    begun = min(at for at, _ in tasks)
    ended = max(at + timedelta(seconds=task.seconds) for at, task in tasks)
    work = sum(task.seconds for task in history.tasks)
    return [
        ("started", f"{begun:%Y-%m-%d %H:%M} UTC"),
        ("last task ended", f"{ended:%Y-%m-%d %H:%M} UTC"),
        ("wall time", f"{_lasted(ended - begun)}, pauses included"),
        ("work", f"{_lasted(timedelta(seconds=work))} of tasks, some in parallel"),
    ]


def _lasted(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
