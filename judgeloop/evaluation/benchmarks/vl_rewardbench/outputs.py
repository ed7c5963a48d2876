"""Reads outputs as VL-RewardBench's inference script writes them: one line per sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Output, Read, Row
from judgeloop.evaluation.benchmarks.files import convert
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import identity

WRAPPED = "0"
"""Some files nest each sample under this key, as the official script expects."""


class Meta(msgspec.Struct):
    """Fields that the script adds to a row."""

    random_number: int
    """0: shown as in the row; 1: swapped."""
    filter_choice: str | None
    """The judge's text."""

    def __post_init__(self) -> None:
        """Refuses another order."""
        if self.random_number not in (0, 1):
            raise ValueError(f"meta.random_number is {self.random_number}, not 0 or 1")


class OutputLine(msgspec.Struct):
    """The fields that are used. `flag_status` is recomputed from the text."""

    id: str
    query: str
    response: tuple[str, str]
    ranking: tuple[int, int]
    meta: Meta


def read_outputs(lines: Iterator[tuple[str, Row]], items: Sequence[Item]) -> Read:
    """Joins the samples to the items by id, query and responses together.

    If a line's ranking differs from the data's, the data's ranking counts, and a fault is recorded.
    """
    by_content = {identity(item.id, item.question, item.responses): item for item in items}
    faults: list[Fault] = []
    outputs: list[Output] = []
    samples: Counter[str] = Counter()
    for where, raw in lines:
        row = raw[WRAPPED] if isinstance(raw.get(WRAPPED), dict) else raw
        line = convert(where, row, OutputLine, faults)
        if line is None:
            continue
        item = by_content.get(identity(line.id, line.query, line.response))
        if item is None:
            detail = f"no row has the id {line.id!r} with this query and these responses"
            faults.append(Fault(where=where, reason="unknown_item", detail=detail))
            continue
        better = line.response.index(item.chosen)
        if item.chosen != item.rejected and line.ranking[better] != 0:
            detail = f"its ranking of {line.id!r} differs from the data's, which counts"
            faults.append(Fault(where=where, reason="label_differs", detail=detail))
        if line.meta.filter_choice is None:
            detail = "there is no text; it counts as doesntMatch"
            faults.append(Fault(where=where, reason="no_text", detail=detail))
        outputs.append(
            Output(
                item=item.key,
                chosen_first=better == line.meta.random_number,
                sample=samples[item.key],
                text=line.meta.filter_choice or "",
            )
        )
        samples[item.key] += 1
    return Read(outputs=tuple(outputs), faults=tuple(faults))
