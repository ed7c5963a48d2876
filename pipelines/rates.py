"""What a run's progress says of its speed: tokens a second, and how long the loop may take."""

from __future__ import annotations

from itertools import pairwise

from judgeloop.runtime.progress import Step


class TaskRate:
    """The speed of one task: since its first step, for what was found done costs no time."""

    def __init__(self, first: Step) -> None:
        self._first = first

    def seconds_left(self, step: Step) -> float | None:
        """Returns how long the task may still take; None where nothing is done yet."""
        done = step.done - self._first.done
        seconds = step.at - self._first.at
        return seconds * (step.total - step.done) / done if done > 0 and seconds > 0 else None

    def tokens_per_second(self, step: Step) -> float | None:
        """Returns how many tokens were generated a second; None where no model runs."""
        if step.pulse is None or not step.pulse.tokens or step.at <= self._first.at:
            return None
        return step.pulse.tokens / (step.at - self._first.at)


class LoopRate:
    """How long whole iterations take, from those that this run has measured.

    Args:
        iterations: The most that the loop may have; it may stop before.
    """

    def __init__(self, iterations: int) -> None:
        self._iterations = iterations
        self._began: dict[int, float] = {}
        """When an iteration's first step was, in seconds since 1970."""

    def add(self, step: Step) -> None:
        """Takes a step, `<iteration>/<stage>`; those of other names are of no iteration."""
        number = step.task.partition("/")[0]
        if number.isdecimal() and int(number) >= 1:
            self._began.setdefault(int(number), step.at)

    def seconds_left(self, now: float) -> float | None:
        """Returns how long the loop may take at most; None before one iteration was measured.

        The longest iteration counts: the first ones of a resumed run were in part done before.

        Args:
            now: Seconds since 1970.
        """
        begun = sorted(self._began)
        lasted = [self._began[two] - self._began[one] for one, two in pairwise(begun)
                  if two == one + 1]  # fmt: skip
        if not lasted:
            return None
        current = begun[-1]
        left = max(0.0, max(lasted) - (now - self._began[current]))
        return left + max(lasted) * max(0, self._iterations - current)
