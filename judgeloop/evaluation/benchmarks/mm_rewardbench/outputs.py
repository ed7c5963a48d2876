"""Reads outputs as Multimodal RewardBench's scripts write them: one line per row, in file order."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Output, Read, Row
from judgeloop.evaluation.benchmarks.files import convert
from judgeloop.evaluation.benchmarks.mm_rewardbench.load import group

FAILED = "None"
"""The text that the official script writes for a request that failed ten times."""
Waiting = dict[tuple[str, str, int], deque[Item]]
"""Items without an output yet, by id, group and better response, in file order."""


class Meta(msgspec.Struct):
    """The judged row; only its category is always present."""

    category: str = msgspec.field(name="Category")


class OutputLine(msgspec.Struct):
    """The fields of a line."""

    id: str = msgspec.field(name="ID")
    label: Literal["A", "B"] = msgspec.field(name="Label")
    meta: Meta = msgspec.field(name="Meta")
    output: str | None = None
    outputs: list[str] | None = None

    def __post_init__(self) -> None:
        """Refuses a line without a text."""
        if self.output is None and not self.outputs:
            raise ValueError("there is neither `output` nor `outputs`")


def read_outputs(lines: Iterator[tuple[str, Row]], items: Sequence[Item]) -> Read:
    """Joins the lines to the rows, in file order within one id, category and label.

    229 ids of the release occur twice, 117 of them with opposite labels: an id alone does not
    identify a row. If a line's label differs from the data's, the data's label counts, and a fault
    is recorded.
    """
    waiting: Waiting = defaultdict(deque)
    for each in items:
        waiting[each.id, each.group, each.better].append(each)
    faults: list[Fault] = []
    outputs: list[Output] = []
    for where, raw in lines:
        line = convert(where, raw, OutputLine, faults)
        if line is None:
            continue
        item = _next_item(line, waiting, where, faults)
        if item is None:
            continue
        text = line.output
        if text is None:
            text = (line.outputs or [""])[0]
            detail = "the official scorer does not read several samples; the first one counts"
            faults.append(Fault(where=where, reason="several_samples", detail=detail))
        if text == FAILED:
            detail = "the request failed; officially a coin decides, strictly it is undecided"
            faults.append(Fault(where=where, reason="failed_request", detail=detail))
        outputs.append(Output(item=item.key, chosen_first=item.better == 0, text=text))
    return Read(outputs=tuple(outputs), faults=tuple(faults))


def _next_item(line: OutputLine, waiting: Waiting, where: str, faults: list[Fault]) -> Item | None:
    name, better = group(line.id, line.meta.category), "AB".index(line.label)
    if left := waiting.get((line.id, name, better)):
        return left.popleft()
    if left := waiting.get((line.id, name, 1 - better)):
        detail = f"its label of {line.id!r} differs from the data's, which counts"
        faults.append(Fault(where=where, reason="label_differs", detail=detail))
        return left.popleft()
    detail = f"no row is left that has the id {line.id!r} in {line.meta.category}"
    faults.append(Fault(where=where, reason="unknown_item", detail=detail))
    return None
