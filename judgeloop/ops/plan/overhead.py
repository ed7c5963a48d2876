"""Estimates Kubeflow's overhead on a loop: the waiting around its tasks, against their work."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from judgeloop.ops.plan.workload import Questions
from judgeloop.runtime.stage_table import stages_of
from judgeloop.schema.config import Config

TASK_WAIT_S = 45.0
"""Seconds of waiting per task, as recorded with Kubeflow Pipelines 2.17: 23 minutes for 85 s of
work in 29 tasks. Some 20 s are those of its own two pods, the rest those of the drivers around
it."""
BOUND = 0.02
"""Share of waiting above which larger tasks are advised."""
_MOST = 1 << 10
"""Factor of the number of questions up to which a size is searched for."""
Work = Callable[[Config, int], float]
"""Computes the working seconds of a loop's tasks from its configuration and number of questions."""


class Overhead(msgspec.Struct, frozen=True, kw_only=True):
    """The overhead of Kubeflow on a loop."""

    tasks: int
    """Tasks of all iterations."""
    waiting_s: float
    """Waiting around the tasks, summed over tasks that may wait in parallel."""
    work_s: float
    """Work in the tasks, summed likewise."""
    partitions: int | None = None
    """A smaller number of partitions with which the waiting is below the bound; None if it is
    already, or with no number."""
    questions: int | None = None
    """Questions per iteration with which it is, at the same number of partitions; None likewise."""

    @property
    def share(self) -> float:
        """Share of waiting in the whole."""
        return self.waiting_s / (self.waiting_s + self.work_s)


def overhead(config: Config, questions: Questions, work: Work) -> Overhead:
    """Estimates the overhead, and the sizes with which it is below `BOUND`.

    Args:
        config: The loop's configuration.
        questions: The loop's questions.
        work: Computes the working seconds of the tasks.
    """
    found = _overhead(config, questions.count, work)
    if found.share <= BOUND:
        return found
    fewer = next(
        (
            parts
            for parts in range(config.loop.partitions - 1, 0, -1)
            if _overhead(_with_partitions(config, parts), questions.count, work).share <= BOUND
        ),
        None,
    )
    return msgspec.structs.replace(
        found, partitions=fewer, questions=_enough(config, questions.count, work)
    )


def task_count(config: Config) -> int:
    """Returns the number of tasks of a loop that runs all its iterations."""
    specs = stages_of("iteration")
    once = len([*stages_of("start"), *stages_of("end")])
    parts = config.loop.partitions
    iteration = sum(parts if spec.partitioned else 1 for spec in specs)
    return once + config.loop.iterations * iteration


def _overhead(config: Config, count: int, work: Work) -> Overhead:
    tasks = task_count(config)
    return Overhead(
        tasks=tasks, waiting_s=tasks * TASK_WAIT_S, work_s=round(work(config, count), 1)
    )


def _enough(config: Config, count: int, work: Work) -> int | None:
    """Returns the number of questions that an iteration needs, to within one percent."""
    factor = 1.0
    while _grown(config, count, work, factor).share > BOUND:
        factor *= 2
        if factor > _MOST:
            return None
    low = factor / 2
    while factor - low > 0.01 * factor:
        middle = (low + factor) / 2
        if _grown(config, count, work, middle).share > BOUND:
            low = middle
        else:
            factor = middle
    training = count * (1 - config.validation.share)
    return round(factor * min(config.data.per_iteration or training, training))


def _grown(config: Config, count: int, work: Work, factor: float) -> Overhead:
    """Returns the overhead with more questions, in total and per iteration."""
    size = config.data.per_iteration
    data = msgspec.structs.replace(config.data, per_iteration=size and round(size * factor))
    return _overhead(msgspec.structs.replace(config, data=data), round(count * factor), work)


def _with_partitions(config: Config, partitions: int) -> Config:
    loop = msgspec.structs.replace(config.loop, partitions=partitions)
    return msgspec.structs.replace(config, loop=loop)


def described(found: Overhead) -> list[str]:
    """Describes the overhead, with a warning above the bound."""
    lines = [
        f"Kubeflow   {found.tasks} tasks x {TASK_WAIT_S:g} s = {found.waiting_s / 3600:,.2f} h of "
        f"waiting, {found.share:.1%} of the whole (0 on one machine)"
    ]
    if found.share > BOUND:
        sizes = []
        if found.partitions is not None:
            sizes.append(f"loop.partitions={found.partitions}")
        if found.questions is not None:
            sizes.append(f"{found.questions:,} questions an iteration (data.count, "
                         "data.per_iteration)")  # fmt: skip
        below = f": below it with {', or with '.join(sizes)}" if sizes else ""
        lines.append(f"warning: waiting is more than {BOUND:.0%} of a loop on Kubeflow{below}")
    return lines
