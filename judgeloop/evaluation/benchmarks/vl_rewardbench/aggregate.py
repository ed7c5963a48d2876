"""VL-RewardBench's official figures: majority over K samples, group, micro and macro accuracy.

Source: `cal.py` of VL_RewardBench at 9b10abd. For each K of 1, 3, 5, 7, 9 it reads the file again,
shuffles it with one random generator for all K, and takes the first K samples of each item.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from judgeloop.evaluation.benchmarks.base import Fault, Figures, Item, Output
from judgeloop.evaluation.benchmarks.intervals import Outcome, outcome_intervals
from judgeloop.evaluation.benchmarks.vl_rewardbench.groups import GROUPS, OTHER_MAPS, official
from judgeloop.evaluation.benchmarks.vl_rewardbench.parse import answer_number

SEED = 1234
KS = (1, 3, 5, 7, 9)
DIGITS = 4
AGREE, REJECT, UNMATCHED, OTHER = "agree", "reject", "doesntMatch", "other"
_TINY = 1e-6
"""The script adds this to some denominators, which is visible in its output."""
Outcomes = Mapping[str, str]
"""The outcome of each item, by key."""


def aggregate(items: Sequence[Item], outputs: Sequence[Output]) -> Figures:
    """Returns the figures for the number of samples per item in the outputs, and for each K.

    An item that judgeloop's stages judged in both orders has one official sample per pair of
    judgements; items without a sample are left out, as in the script.
    """
    ids = {item.key: item.id for item in items}
    samples = [(output.item, outcome(output)) for output in outputs]
    held = max(Counter(key for key, _ in samples).values(), default=0)
    generator = random.Random(SEED)
    by_k = {}
    for k in KS:
        shuffle(samples_of_k := list(samples), generator)
        by_k[k] = majorities(samples_of_k, k)
    whole = majorities(samples, held)
    faults = [
        Fault(where="aggregate", reason="empty_group", detail=f"no item of {name} is decided; the "
              "official script divides by zero")
        for name, accuracy in figures(whole, ids, official)["accuracy_by_group"].items()
        if accuracy is None
    ]  # fmt: skip
    return Figures(
        official=figures(whole, ids, official),
        maps={
            name: _mapped(whole, ids, group)
            | {"intervals": outcome_intervals(_counted(items, whole, group))}
            for name, group in OTHER_MAPS.items()
        },
        lines=tuple(line for k in KS for line in printed(by_k[k], ids, k)),
        details={
            "samples_per_item": held,
            "by_k": {str(k): figures(by_k[k], ids, official) for k in KS},
        },
        faults=tuple(faults),
        outcomes=_counted(items, whole, official),
    )


def _counted(
    items: Sequence[Item], outcomes: Outcomes, group: Callable[[str], str]
) -> tuple[Outcome, ...]:
    """Returns the decided items, which the accuracies count, in their groups."""
    return tuple(
        Outcome(group(item.id), item.image, outcomes[item.key] == AGREE)
        for item in items
        if outcomes.get(item.key) in (AGREE, REJECT)
    )


def outcome(output: Output) -> str:
    """Returns the script's outcome for one sample."""
    number = answer_number(output.text or "")
    if number is None:
        return UNMATCHED
    return REJECT if number == (2 if output.chosen_first else 1) else AGREE


def shuffle(samples: list[tuple[str, str]], generator: random.Random) -> None:
    """Shuffles as the script does: each position is swapped with one drawn from all."""
    for place in range(len(samples)):
        other = generator.randint(0, len(samples) - 1)
        samples[place], samples[other] = samples[other], samples[place]


def majorities(samples: Sequence[tuple[str, str]], k: int) -> dict[str, str]:
    """Returns each item's outcome, which more than half of its first K samples have."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, each in samples:
        if found[key].total() < k:
            found[key][each] += 1
    return {key: _majority(counts) for key, counts in found.items()}


def figures(
    outcomes: Outcomes, ids: Mapping[str, str], group: Callable[[str], str]
) -> dict[str, Any]:
    """Returns the figures by the keys of the official scores, in percent.

    An accuracy is agree / (agree + reject), or None if that is undefined.
    """
    groups = by_group_counts(outcomes, ids, group)
    overall: Counter[str] = sum(groups.values(), Counter())
    total = overall.total()
    by_group = {name: _accuracy(groups.get(name, Counter())) for name in GROUPS}
    return {
        "items": total,
        "item_outcomes": dict(overall),
        "outcomes_by_group": {name: dict(groups[name]) for name in GROUPS if name in groups},
        "accuracy_by_group": {name: _rounded(value) for name, value in by_group.items()},
        "overall_accuracy": _rounded(_accuracy(overall)),
        "macro_accuracy": _rounded(_macro(by_group)),
        "overall_accuracy_counting_undecided_as_wrong": (
            round(100 * overall[AGREE] / total, DIGITS) if total else None
        ),
    }


def by_group_counts(
    outcomes: Outcomes, ids: Mapping[str, str], group: Callable[[str], str]
) -> dict[str, Counter[str]]:
    """Returns the number of items of each group with each outcome."""
    groups: dict[str, Counter[str]] = {}
    for key, each in outcomes.items():
        groups.setdefault(group(ids[key]), Counter())[each] += 1
    return groups


def printed(outcomes: Outcomes, ids: Mapping[str, str], k: int) -> list[str]:
    """Returns the lines that the script prints for one K."""
    counts = Counter(outcomes.values())
    agree, reject, total = counts[AGREE], counts[REJECT], len(outcomes) + _TINY
    decided = agree + reject + _TINY
    groups = by_group_counts(outcomes, ids, official)
    accuracies = {name: _accuracy(groups.get(name, Counter())) for name in GROUPS}
    shown = [_percent(value) for value in accuracies.values()]
    return [
        f"k={k} ----------------",
        f"Number of total items: {len(outcomes)}",
        f"Number of agree items: {agree}, rate: {round(agree / total, 4)}, "
        f"normalized rate: {round(agree / decided, 4)}",
        f"Number of reject items: {reject}, rate: {round(reject / total, 4)}, "
        f"normalized rate: {round(reject / decided, 4)}",
        f"Number of doesntMatch items: {counts[UNMATCHED]}, "
        f"rate: {round(counts[UNMATCHED] / total, 4)}",
        "=" * 20,
        "general\t hallucination\t reasoning",
        "\t ".join(shown),
        f"Overall Accuracy: {_percent(_accuracy(counts))}",
        f"Macro Average Acc: {_percent(_macro(accuracies))}",
        "=" * 20,
    ]


def _mapped(
    outcomes: Outcomes, ids: Mapping[str, str], group: Callable[[str], str]
) -> dict[str, Any]:
    made = figures(outcomes, ids, group)
    sizes = Counter(group(each) for each in ids.values())
    return made | {"sizes": {name: sizes[name] for name in GROUPS}}


def _majority(counts: Counter[str]) -> str:
    name, most = counts.most_common(1)[0]
    return name if most > counts.total() / 2 else OTHER


def _accuracy(counts: Counter[str]) -> float | None:
    decided = counts[AGREE] + counts[REJECT]
    return 100 * counts[AGREE] / decided if decided else None


def _macro(accuracies: Mapping[str, float | None]) -> float | None:
    known = [value for value in accuracies.values() if value is not None]
    return sum(known) / len(GROUPS) if len(known) == len(GROUPS) else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
