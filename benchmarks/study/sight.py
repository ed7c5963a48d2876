"""Splits a judge's gold results by what it says it sees, to separate seeing from choosing.

A judgement of the tiny world reads `I see <own answer> <letter>`. The own answer is compared with
the pair's chosen and rejected texts, and the letter with the side on which that text was shown.
This uses gold answers and is part of the study only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judgeloop.schema.records import Choice, ItemResult, Manifest, Pair
from judgeloop.schema.results import Scores
from judgeloop.store import Store
from judgeloop.store.shards import finished, read_records

KINDS = {
    "right, right": "sees the right answer, says its letter",
    "right, wrong": "sees the right answer, says the other letter",
    "wrong, right": "sees the wrong answer of the two, says its letter",
    "wrong, wrong": "sees the wrong answer of the two, says the other letter",
    "neither": "sees something else, says either letter",
    "undecided": "undecided",
}
"""The seen text (chosen or rejected) and whether the letter is that text's own."""


def sight_shares(store: Store, evaluations: Sequence[Manifest]) -> dict[str, float]:
    """Returns the share of judgements of each kind, over several evaluations of one gold set."""
    gold = finished(store, "gold", evaluations[0].expect(Scores).pairs)
    if gold is None:
        raise SystemExit(
            "the gold set is gone from the store: delete the study's folder, run again"
        )
    pairs = {pair.id: pair for pair in read_records(store, gold, Pair)}
    counts: Counter[str] = Counter()
    for evaluation in evaluations:
        for item in read_records(store, evaluation, ItemResult):
            if item.identical:  # a probe has no right side
                continue
            pair = pairs[item.item_id]
            counts[_kind(item.chosen_first_text, item.chosen_first, pair, Choice.A)] += 1
            counts[_kind(item.rejected_first_text, item.rejected_first, pair, Choice.B)] += 1
    total = sum(counts.values())
    return {kind: counts[kind] / total for kind in KINDS}


def _kind(text: str, choice: Choice, pair: Pair, letter_of_chosen: Choice) -> str:
    if choice is Choice.UNDECIDED:
        return "undecided"
    seen = text.strip().removeprefix("I see ").removesuffix(f" {choice}")
    letter = choice is letter_of_chosen
    if seen == pair.chosen:
        return "right, right" if letter else "right, wrong"
    if seen == pair.rejected:
        return "wrong, right" if not letter else "wrong, wrong"
    return "neither"
