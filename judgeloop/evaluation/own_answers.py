"""Measures whether a judge prefers answers of its own base model, where the writers are known.

In pairs made by the loop both answers are the base's own, and gold files name no writer: nothing
can be measured there. VL-RewardBench's rows name the model behind each response.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from judgeloop.evaluation.bias import clustered_share
from judgeloop.schema.records import ItemResult
from judgeloop.schema.scorecard import Interval

Writers = Mapping[str, tuple[str, str]]
"""The models that wrote the chosen and the rejected answer, by item."""
SHOWN_WRITERS = 5


class OwnAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """How often a judge prefers its own base's answer."""

    preferred: float | None = None
    """Share of the items with a clear verdict on which the own answer is preferred; to compare with
    `better`."""
    preferred_interval: Interval | None = None
    """95 % interval, clustered by image."""
    better: float | None = None
    """Share of the same items on which the own answer is the better one."""
    items: int = 0
    """Items with one answer of the base and a clear verdict."""
    reason: str = ""
    """Why there is no figure; empty if there is one."""


def own_answers(results: Iterable[ItemResult], writers: Writers, base: str) -> OwnAnswers:
    """Computes how often a judge prefers its own base's answers.

    Args:
        results: The judge's results; probes don't count.
        writers: Writers of the items' answers, as far as they are known.
        base: The judge's base model. Its name is compared without its owner and case; similar names
            do not match.
    """
    if not writers:
        return OwnAnswers(reason="nothing says which model wrote which answer")
    if not base:
        return OwnAnswers(reason=f"the judges' base is not named; {_known(writers)}")
    mine = _name(base)
    clear = []
    written = 0
    for result in results:
        own = [_name(writer) == mine for writer in writers.get(result.item_id, ())]
        if result.identical or sum(own) != 1:
            continue
        written += 1
        if result.clear:
            clear.append((own[0] == result.both_orders, own[0], result.image or result.item_id))
    if not clear:
        if written:
            reason = f"none of the {written} items with one answer by {base} has a clear verdict"
        else:
            reason = f"no item has one answer by {base}; {_known(writers)}"
        return OwnAnswers(reason=reason)
    share = clustered_share([([mine], image) for mine, _, image in clear])
    assert share is not None
    return OwnAnswers(
        preferred=share.value,
        preferred_interval=share.interval,
        better=sum(better for _, better, _ in clear) / len(clear),
        items=len(clear),
    )


def _name(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2].lower()


def _known(writers: Writers) -> str:
    counts = Counter(name for both in writers.values() for name in both)
    most = sorted(counts, key=lambda name: (-counts[name], name))
    more = ", ..." if len(most) > SHOWN_WRITERS else ""
    return f"the rows name {', '.join(most[:SHOWN_WRITERS])}{more}"
