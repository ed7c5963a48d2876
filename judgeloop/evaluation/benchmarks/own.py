"""Reads outputs in judgeloop's own layout: one `Judgement` per line; `pair_id` is an item's key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from judgeloop.evaluation.benchmarks.base import Fault, Item, Output, Read, Row
from judgeloop.evaluation.benchmarks.files import convert
from judgeloop.schema.records import Order

FIELD = "pair_id"
"""A line with this field is ours; no official layout has it."""


class OwnLine(msgspec.Struct):
    """The fields of a Judgement that are used; the verdict is read from the text again."""

    pair_id: str
    order: Order
    sample: int
    text: str


def read_own(lines: Iterator[tuple[str, Row]], items: Sequence[Item]) -> Read:
    """Joins judgements to the items by key."""
    known = {item.key for item in items}
    faults: list[Fault] = []
    outputs: dict[tuple[str, Order, int], Output] = {}
    for where, raw in lines:
        line = convert(where, raw, OwnLine, faults)
        if line is None:
            continue
        name = (line.pair_id, line.order, line.sample)
        if line.pair_id not in known:
            detail = f"no item of this data has the key {line.pair_id!r}"
            faults.append(Fault(where=where, reason="unknown_item", detail=detail))
        elif name in outputs:
            detail = "an earlier line has the same item, order and sample; that one counts"
            faults.append(Fault(where=where, reason="repeated_output", detail=detail))
        else:
            outputs[name] = Output(
                item=line.pair_id,
                chosen_first=line.order is Order.CHOSEN_FIRST,
                sample=line.sample,
                text=line.text,
            )
    return Read(outputs=tuple(outputs.values()), faults=tuple(faults))
