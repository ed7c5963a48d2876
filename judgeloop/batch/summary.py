"""The summary of a file of judgements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from judgeloop.evaluation.statistics import wilson
from judgeloop.method.judging.comparison import PairJudgement
from judgeloop.schema.records import Dropped
from judgeloop.schema.scorecard import Interval


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Counts and shares of a batch."""

    n: int
    """Pairs that were judged."""
    winners: dict[str, int]
    """Pairs by winner, `a` or `b`."""
    undecided: dict[str, int]
    """Pairs without a winner by reason."""
    first_shown_rate: float | None
    """Share of the decided judgements that prefer the answer shown first; one half without position
    bias, where both orders are shown."""
    labelled: int
    """Pairs whose better answer is known."""
    agreement: float | None
    """Share of them whose winner is that answer; undecided counts as wrong."""
    agreement_interval: Interval | None
    """Its 95 % interval."""
    dropped: dict[str, int]
    """Rows that could not be judged by reason."""


def summarize(records: Sequence[PairJudgement], dropped: Sequence[Dropped]) -> Summary:
    """Counts a batch."""
    decided = [one for record in records for one in record.judgements if one.winner is not None]
    labelled = [record for record in records if record.label is not None]
    right = sum(record.winner == record.label for record in labelled)
    winners = Counter(record.winner for record in records if record.winner is not None)
    undecided = Counter(record.reason or "" for record in records if record.winner is None)
    return Summary(
        n=len(records),
        winners={"a": winners["a"], "b": winners["b"]},
        undecided=dict(sorted(undecided.items())),
        first_shown_rate=(
            sum(one.winner == one.shown_first for one in decided) / len(decided)
            if decided
            else None
        ),
        labelled=len(labelled),
        agreement=right / len(labelled) if labelled else None,
        agreement_interval=wilson(right, len(labelled)) if labelled else None,
        dropped=dict(sorted(Counter(row.reason for row in dropped).items())),
    )
