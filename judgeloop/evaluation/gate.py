"""The promotion gate: decides whether a candidate replaces the champion.

A pure function of two judges' item results and a policy; it knows no registry and no store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from judgeloop.evaluation.clusters import difference_interval
from judgeloop.evaluation.floors import failed, floors
from judgeloop.evaluation.scorecard import scorecard
from judgeloop.schema.errors import DataError
from judgeloop.schema.evaluation_sections import GateSection
from judgeloop.schema.records import ItemResult
from judgeloop.schema.results import Check, GateDecision
from judgeloop.schema.scorecard import Interval, Scorecard

Results = dict[str, ItemResult]


class Judged(NamedTuple):
    """A judge's results, and what makes them comparable with another judge's."""

    name: str
    """Name of the version."""
    data: str
    """Content key of the items and their labels; empty if it is not known."""
    protocol: str
    """Content key of how the judge was asked and read; empty if it is not known."""
    results: Iterable[ItemResult]
    used_gold: bool = False
    """Whether these labels were used to train or choose the judge."""


def refusal(candidate: str, champion: str, reason: str) -> GateDecision:
    """Returns a refusal without a comparison."""
    return GateDecision(decision="refuse", reason=reason, candidate=candidate, champion=champion)


def decide_promotion(candidate: Judged, champion: Judged, policy: GateSection) -> GateDecision:
    """Promotes a candidate that is better than its opponent and than every blind baseline.

    Better is a lower bound of a paired 95 % interval of the difference in both-order accuracy. Nor
    may the candidate lose on single verdicts, on a group, on undecided verdicts or on position
    bias by more than the policy allows, or see a difference between identical answers.

    Raises:
        DataError: A judge has two results for one item, or results without the answers' lengths.
    """
    names = candidate.name, champion.name
    if reason := _incomparable(candidate, champion):
        return refusal(*names, reason)
    mine, my_probes = _by_item(candidate)
    theirs, _ = _by_item(champion)
    if differing := len(mine.keys() ^ theirs.keys()):
        reason = f"they were scored on different items: {differing} have a result of only one"
        return refusal(*names, f"{reason} of them")
    if not mine:
        return refusal(*names, "there are no items to compare them on")
    difference, interval = _difference(mine, theirs)
    checks = (
        _better(difference, interval, len(mine), policy.min_difference),
        *_no_loss(scorecard(mine.values()), scorecard(theirs.values()), policy),
        *_groups(mine, theirs, policy),
        _probes(my_probes, policy.max_clear_probes),
        *floors(mine.values()),
    )
    refused = failed(checks)
    return GateDecision(
        decision="refuse" if refused else "promote",
        reason=refused or f"{checks[0].text}; all {len(checks)} conditions hold",
        candidate=candidate.name,
        champion=champion.name,
        n=len(mine),
        difference=difference,
        low=interval.low,
        high=interval.high,
        checks=checks,
    )


def _incomparable(candidate: Judged, champion: Judged) -> str:
    """Returns why two results cannot be compared; empty if they can."""
    if candidate.name == champion.name:
        return "the candidate is already the champion"
    for judged in (candidate, champion):
        if judged.used_gold:
            return f"{judged.name} was trained or chosen with the gold labels that it is scored on"
        if not (judged.data and judged.protocol):
            return f"the results of {judged.name} don't say on what items, or how, it was scored"
    if candidate.data != champion.data:
        return f"{champion.name} was scored on other items, or on another revision of them"
    if candidate.protocol != champion.protocol:
        return f"{champion.name} was scored by another protocol (prompts, sampling or parser)"
    return ""


def _by_item(judged: Judged) -> tuple[Results, list[ItemResult]]:
    """Returns the results by item, without texts, and those of the probes."""
    items: Results = {}
    probes = []
    for result in judged.results:
        if result.identical:
            probes.append(result)
            continue
        if result.item_id in items:
            raise DataError(
                f"{judged.name} has two results for item {result.item_id}; make the items' ids "
                "unique and evaluate again"
            )
        items[result.item_id] = msgspec.structs.replace(
            result, chosen_first_text="", rejected_first_text=""
        )
    return items, probes


def _difference(mine: Results, theirs: Results) -> tuple[float, Interval]:
    differences = [result.both_orders - theirs[item].both_orders for item, result in mine.items()]
    clusters = [result.image or item for item, result in mine.items()]
    return sum(differences) / len(differences), difference_interval(differences, clusters)


def _better(difference: float, interval: Interval, n: int, bound: float) -> Check:
    holds = interval.low > bound
    return Check(
        name="opponent",
        holds=holds,
        text=f"both-order accuracy differs by {difference:+.3f} on {n} items; the 95 % interval "
        f"{interval.low:+.3f} to {interval.high:+.3f} {'lies' if holds else 'does not lie'} above "
        f"{bound:.3f}",
    )


def _no_loss(mine: Scorecard, theirs: Scorecard, policy: GateSection) -> tuple[Check, ...]:
    lost = theirs.accuracy - mine.accuracy
    undecided = mine.undecided - theirs.undecided
    bias, before = _position_bias(mine), _position_bias(theirs)
    return (
        Check(
            name="accuracy",
            holds=lost <= policy.max_accuracy_loss,
            text=f"accuracy by single verdict went from {theirs.accuracy:.3f} to "
            f"{mine.accuracy:.3f} (it may fall by {policy.max_accuracy_loss:.3f})",
        ),
        Check(
            name="undecided",
            holds=undecided <= policy.max_undecided_rise,
            text=f"undecided verdicts went from {theirs.undecided:.3f} to {mine.undecided:.3f} "
            f"(they may rise by {policy.max_undecided_rise:.3f})",
        ),
        Check(
            name="position_bias",
            holds=bias - before <= policy.max_position_bias_rise,
            text=f"position bias went from {before:.3f} to {bias:.3f} (it may rise by "
            f"{policy.max_position_bias_rise:.3f})",
        ),
    )


def _position_bias(card: Scorecard) -> float:
    """Returns the distance of the first-position share from 0.5; 0 if nothing is decided."""
    return abs(card.first_position - 0.5) if card.first_position is not None else 0.0


def _groups(mine: Results, theirs: Results, policy: GateSection) -> tuple[Check, ...]:
    won: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for item, result in mine.items():
        sizes[result.category] += 1
        won[result.category] += result.both_orders - theirs[item].both_orders
    return tuple(_group(name, won[name], sizes[name], policy) for name in sorted(sizes))


def _group(name: str, won: int, size: int, policy: GateSection) -> Check:
    bound = policy.group_losses.get(name, policy.max_group_loss)
    return Check(
        name=f"group/{name}",
        holds=won >= -1 or -won / size <= bound,
        text=f"both-order accuracy of group {name} differs by {won / size:+.3f} on {size} items "
        f"(it may fall by {bound:.3f})",
    )


def _probes(probes: list[ItemResult], bound: float) -> Check:
    if not probes:
        text = "it was shown no identical answers: evaluate it again"
        return Check(name="identical_answers", holds=False, text=text)
    share = sum(probe.clear for probe in probes) / len(probes)
    return Check(
        name="identical_answers",
        holds=share <= bound,
        text=f"it prefers one of two identical answers in both orders on {share:.3f} of "
        f"{len(probes)} (at most {bound:.3f})",
    )
