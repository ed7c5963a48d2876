"""Counts what filtering kept and why it did not keep the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from judgeloop.method.filtering.agreement import Outcome
from judgeloop.method.filtering.blind import MIN_PAIRS, BlindJudge
from judgeloop.schema.config import FilteringSection
from judgeloop.schema.records import Choice, Judgement, Pair

REASONS = ("undecided", "disagreeing", "one_order")


class Funnel:
    """Adds up outcomes; `counts` and `metrics` go into the manifest."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._verdicts: Counter[Choice] = Counter()
        self._blind = BlindJudge()

    def add(self, pair: Pair, judgements: Sequence[Judgement], outcome: Outcome) -> None:
        """Counts one pair."""
        self.counts["pairs"] += 1
        self.counts[f"pairs/{pair.question.kind}"] += 1
        self.counts[f"{outcome.reason}_pairs"] += 1
        self.counts[f"kept/{pair.question.kind}"] += outcome.reason == "kept"
        self.counts["kept_judgements"] += len(outcome.kept)
        if outcome.reason == "kept":
            self._blind.add(pair)
            self.counts["blind_guesses"] = self._blind.guesses
            self.counts["blind_right"] = self._blind.right
        self._verdicts.update(judgement.verdict.choice for judgement in judgements)

    def metrics(self) -> dict[str, float]:
        """Returns kept_share, kept_share/<kind>, and first_position where anything is decided.

        `blind_accuracy` is there where the blind judge guessed at kept pairs.
        """
        metrics = {"kept_share": _share(self.counts["kept_pairs"], self.counts["pairs"])}
        for name in sorted(self.counts):
            if name.startswith("pairs/"):
                kind = name.removeprefix("pairs/")
                metrics[f"kept_share/{kind}"] = _share(
                    self.counts[f"kept/{kind}"], self.counts[name]
                )
        decided = self._verdicts[Choice.A] + self._verdicts[Choice.B]
        if decided:
            metrics["first_position"] = self._verdicts[Choice.A] / decided
        if self.counts["blind_guesses"]:
            right = self.counts["blind_right"]
            metrics["blind_accuracy"] = _share(right, self.counts["blind_guesses"])
        return metrics


def explain_giveaway(counts: Mapping[str, int]) -> str | None:
    """Says that rejected answers can be told without picture and question; None where not.

    They can where the whole 95 % interval of the blind judge's accuracy lies above chance.
    """
    from judgeloop.evaluation.statistics import wilson

    guesses, right = counts.get("blind_guesses", 0), counts.get("blind_right", 0)
    if guesses < MIN_PAIRS:
        return None
    found = wilson(right, guesses)
    if found.low <= 0.5:
        return None
    return (
        f"a judge that sees neither picture nor question tells the rejected answers of kept pairs "
        f"in {right / guesses:.3f} [{found.low:.3f}, {found.high:.3f}] of {guesses} cases, chance "
        "is 0.5: their wording gives them away, and a judge may learn that instead of looking. "
        "Compare chosen and rejected answers in synthesize/ in the store; other errors in "
        "synthesis.errors, other alteration prompts or a higher synthesis.min_length_ratio may help"
    )


def explain_starvation(
    counts: dict[str, int], metrics: dict[str, float], settings: FilteringSection
) -> str:
    """Says why too little was kept: the funnel and its three likely causes."""
    pairs = counts.get("pairs", 0)
    lost = {reason: counts.get(f"{reason}_pairs", 0) for reason in REASONS}
    first = metrics.get("first_position")
    bias = "no verdict at all" if first is None else f"{first:.0%} of the verdicts are A"
    lines = [
        f"filtering left {counts.get('examples', 0)} examples, and filtering.min_examples is "
        f"{settings.min_examples}. Of {pairs} pairs:",
        f"- {lost['undecided']} undecided: no verdict can be read in both orders;",
        f"- {lost['disagreeing']} disagreeing: the judge prefers the rejected answer;",
        f"- {lost['one_order']} one_order: right in one order only, wrong when they are swapped;",
        f"- {counts.get('kept_pairs', 0)} kept.",
        "Likely causes:",
        "(1) where many are undecided, the judge's texts end without a verdict: look at them in "
        "judge/ in the store, raise judging.sampling.max_tokens, or use other prompts;",
        f"(2) where many are one_order, the judge goes by position, not by content ({bias}): raise "
        "judging.samples or judging.sampling.temperature, so that some samples get it right;",
        "(3) where many disagree, or there are few pairs, the pairs are wrong or too hard: look at "
        "them and at the reasons against the others in synthesize/ in the store.",
    ]
    return "\n".join(lines)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
