"""Reads outputs as R1-Reward's script writes them: the data's row, `rewards` and `critic`."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Output, Read, Row
from judgeloop.evaluation.benchmarks.files import convert
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.parse import official


class OutputLine(msgspec.Struct):
    """The fields that are used."""

    id: str
    prompt: str
    chosen: str
    rejected: str
    rewards: tuple[float, float] | None = None
    critic: str | None = None

    def __post_init__(self) -> None:
        """Refuses a line without rewards and text."""
        if self.rewards is None and self.critic is None:
            raise ValueError("there is neither `rewards` nor `critic`")


def read_outputs(lines: Iterator[tuple[str, Row]], items: Sequence[Item]) -> Read:
    """Joins the lines to the rows by id, prompt and both responses; repeated ones in file order.

    That script always shows the better response first.
    """
    waiting: defaultdict[tuple[str, str, str, str], deque[Item]] = defaultdict(deque)
    for item in items:
        waiting[item.id, item.question, item.chosen, item.rejected].append(item)
    faults: list[Fault] = []
    outputs: list[Output] = []
    for where, raw in lines:
        line = convert(where, raw, OutputLine, faults)
        if line is None:
            continue
        left = waiting.get((line.id, line.prompt, line.chosen, line.rejected))
        if not left:
            detail = f"no row is left that has the id {line.id!r} with this prompt and responses"
            faults.append(Fault(where=where, reason="unknown_item", detail=detail))
            continue
        _compare(line, where, faults)
        outputs.append(
            Output(
                item=left.popleft().key,
                chosen_first=True,
                text=line.critic,
                scores=line.rewards,
            )
        )
    return Read(outputs=tuple(outputs), faults=tuple(faults))


def _compare(line: OutputLine, where: str, faults: list[Fault]) -> None:
    """Records a line whose rewards contradict its text; officially the rewards count."""
    if line.rewards is None or line.critic is None:
        return
    if (line.rewards[0] > line.rewards[1]) != (official(line.critic) == 1):
        detail = f"the rewards {list(line.rewards)} are not what its text says; the rewards count"
        faults.append(Fault(where=where, reason="rewards_differ", detail=detail))
