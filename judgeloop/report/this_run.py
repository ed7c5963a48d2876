"""When a loop ran, on what, where its results are and what to do next; and reasons in words."""

from __future__ import annotations

import shlex
from collections import Counter
from datetime import datetime, timedelta

from judgeloop.report.story import Story, Task
from judgeloop.report.summary import NONE
from judgeloop.runtime.stage_settings import ReportSettings

REASONS = {
    "answer_empty": "the base gave no answer to alter",
    "answer_too_long": "the base's answer is longer than can be altered",
    "answer_truncated": "the base's answer was cut off at its limit of tokens",
    "bad_id": "the row's id is missing, or no text",
    "bad_image": "an image is missing, damaged or of no format that is read",
    "bad_record": "the row is no record of the documented form",
    "bad_text": "a text is empty, too long or not printable",
    "contradiction": "another row states the opposite preference",
    "duplicate_id": "an earlier row has this id",
    "duplicate_pair": "an earlier row is the same pair",
    "engine_error": "the model could not be asked this",
    "in_benchmark": "a benchmark that is evaluated shows this image or prompt",
    "incomplete": "a field of the row is missing",
    "length": "the altered answer is much shorter or longer than its original",
    "mixed_split": "some of its images are held out, and others train",
    "no_kind_of_error": "no kind of error can be planted in the answer",
    "other_kind_of_error": "the altered answer has another kind of error than was asked for",
    "rewritten": "the altered answer says everything anew, not one thing otherwise",
    "tie": "two answers got the most votes",
    "unanimous": "all sampled answers agree, so none is worse",
    "unchanged": "the altered answer says what its original does",
    "unfinished_thinking": "the base had not ended its reasoning at the limit of tokens",
}
"""What the reasons mean for which questions and pairs are left out."""


def this_run(story: Story, config: ReportSettings) -> list[tuple[str, str]]:
    """Returns what a reader wants to know of the run itself, each with its name."""
    return [
        *_times(story),
        ("machine", _machines(story)),
        *_data(story, config),
        ("base", config.model.base),
        ("registered as", _versions(story, config)),
        ("experiment", config.registry.experiment),
        ("store", config.store),
        ("configuration", _configuration(story, config)),
        ("next", _next(story, config)),
    ]


def _machines(story: Story) -> str:
    tasks = Counter(task.machine or "not written down" for task in story.tasks)
    if len(tasks) < 2:
        return next(iter(tasks), NONE)
    return "; ".join(f"{name} ({count} tasks)" for name, count in sorted(tasks.items()))


def _data(story: Story, config: ReportSettings) -> list[tuple[str, str]]:
    """Returns questions and gold pairs, each with its content key, which hashes rows and images."""
    rows = []
    made = next((task.manifest for task in _succeeded(story, "ingest")), None)
    if made is not None:
        used = made.input_rows - sum(made.dropped.values())
        said = f"{used} of {made.input_rows} rows used, content key {made.key}"
        rows.append(("questions", f"{config.data.questions}: {said}"))
    gold = next((item.gold for item in story.evaluated), None)
    if gold is not None:
        said = f"{config.evaluation.gold}: {gold.n} pairs, content key {gold.pairs}"
        rows.append(("gold pairs", said))
    return rows


def _versions(story: Story, config: ReportSettings) -> str:
    name = f"models:/{config.registry.model_name}"
    numbers = [item.version for item in story.iterations if item.version]
    if not numbers:
        return f"{name}, no version of this loop"
    champion = story.champion_version
    last = f"; version {champion} is champion" if champion else ""
    return f"{name}, version{'s'[: len(numbers) > 1]} {', '.join(numbers)}{last}"


def _configuration(story: Story, config: ReportSettings) -> str:
    whole = f"loops/{story.loop_id}/loop.json in the store"
    return f"engine {config.engine.kind}, seed {config.loop.seed}; all of it: {whole}"


def _next(story: Story, config: ReportSettings) -> str:
    """Returns a command: it takes the champion along, or where there is none says what is left."""
    if story.failed or story.champion_version is None:
        return f"judgeloop status {config.store}"
    judge = f"models:/{config.registry.model_name}/{story.champion_version}"
    where = shlex.quote(config.store)  # beside it lies a local run's registry
    return f"judgeloop export --run {where} --judge {judge} --out judge-{story.champion_version}"


def _succeeded(story: Story, stage: str) -> list[Task]:
    return [task for task in story.tasks if task.stage == stage and task.manifest]


def _times(story: Story) -> list[tuple[str, str]]:
    tasks = [(datetime.fromisoformat(t.started_at), t) for t in story.tasks if t.started_at]
    if not tasks:
        return []
    begun = min(at for at, _ in tasks)
    ended = max(at + timedelta(seconds=task.seconds) for at, task in tasks)
    work = sum(task.seconds for task in story.tasks)
    return [
        ("begun", f"{begun:%Y-%m-%d %H:%M} UTC"),
        ("last task ended", f"{ended:%Y-%m-%d %H:%M} UTC"),
        ("wall time", f"{_lasted(ended - begun)}, pauses included"),
        ("work", f"{_lasted(timedelta(seconds=work))} of tasks, some side by side"),
    ]


def _lasted(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
