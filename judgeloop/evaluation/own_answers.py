"""Whether a judge prefers the answers of its own base model, where pairs say who wrote which.

Of a pair that the loop made both answers are the base's own, and gold files name no writer: there
is nothing to prefer. VL-RewardBench's rows name the model behind each response.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from judgeloop.evaluation.bias import clustered_share
from judgeloop.schema.records import ItemResult
from judgeloop.schema.scorecard import Interval

Writers = Mapping[str, tuple[str, str]]
"""By item, the models that wrote the chosen and the rejected answer."""
SHOWN_WRITERS = 5


class OwnAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """How often a judge prefers its own base's answer."""

    preferred: float | None = None
    """Share of the items with a clear verdict on which the own answer is preferred; to compare with
    `better`."""
    preferred_interval: Interval | None = None
    """95 %, clustered by image."""
    better: float | None = None
    """Share of the same items on which the own answer is the better one."""
    items: int = 0
    """Items with one answer of the base and a clear verdict."""
    reason: str = ""
    """Why there is no figure."""


def own_answers(results: Iterable[ItemResult], writers: Writers, base: str) -> OwnAnswers:
    """Computes the preference.

    Args:
        results: The judge's; probes don't count.
        writers: Of the items' answers, as far as they are known.
        base: The judge's base model. Its name is compared without its owner and case; nothing is
            guessed from a similar name.
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
