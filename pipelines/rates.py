"""Computes a run's speed from its progress: tokens per second, and the time left."""

from __future__ import annotations

from itertools import pairwise

from judgeloop.runtime.progress import Step


class TaskRate:
    """The speed of one task since its first step; rows that were done before do not count."""

    def __init__(self, first: Step) -> None:
        self._first = first

    def seconds_left(self, step: Step) -> float | None:
        """Returns the seconds that the task may still take; None if nothing is done yet."""
        done = step.done - self._first.done
        seconds = step.at - self._first.at
        return seconds * (step.total - step.done) / done if done > 0 and seconds > 0 else None

    def tokens_per_second(self, step: Step) -> float | None:
        """Returns the generated tokens per second; None if no model runs."""
        if step.pulse is None or not step.pulse.tokens or step.at <= self._first.at:
            return None
        return step.pulse.tokens / (step.at - self._first.at)


class LoopRate:
    """The duration of whole iterations, from those that this run has measured.

    Args:
        iterations: Maximum number of iterations; the loop may stop earlier.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._began: dict[int, float] = {}
        """Unix time of each iteration's first step."""

    def add(self, step: Step) -> None:
        """Adds a step, `<iteration>/<stage>`; other names belong to no iteration."""
        number = step.task.partition("/")[0]
        if number.isdecimal() and int(number) >= 1:
            self._began.setdefault(int(number), step.at)

    def seconds_left(self, now: float) -> float | None:
        """Returns the maximum of seconds left for the loop; None before one iteration was measured.

        The longest iteration counts: the first ones of a resumed run were partly done before.

        Args:
            now: Unix time.
        """
        begun = sorted(self._began)
        lasted = [self._began[two] - self._began[one] for one, two in pairwise(begun)
                  if two == one + 1]  # fmt: skip
        if not lasted:
            return None
        current = begun[-1]
        left = max(0.0, max(lasted) - (now - self._began[current]))
        return left + max(lasted) * max(0, self._iterations - current)
