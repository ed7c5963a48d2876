"""Counts what filtering kept and why it did not keep the rest."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from judgeloop.method.filtering.agreement import Outcome
from judgeloop.method.filtering.blind import BlindJudge
from judgeloop.method.synthesis.pairs import VOTE
from judgeloop.schema.records import Altered, Choice, Judgement, Pair
from judgeloop.schema.results import Funnel, KindFunnel

KEPT = "kept"
ALWAYS = ("undecided", "disagreeing", "one_order")
"""Reasons that every funnel counts; others depend on the settings."""
FURTHER = {
    "last_verdict": "the last judge of the same pair said otherwise (filtering.last_verdict)",
    "permuted_options": "with the question's options in another order they were not said again "
    "(filtering.permuted_options)",
    "no_reason": "the traces that agree are too short beside their verdict "
    "(filtering.reason_words)",
    "names_nothing": "their reasons have no word of the answers (filtering.reason_names_answer)",
    "boilerplate": "without sentences that many traces share they have no reason "
    "(filtering.max_sentence_share)",
    "near_duplicate": "they nearly repeat earlier traces (filtering.max_similarity)",
    "minority": "samples agree, but not more than half of each order's (filtering.majority)",
}
"""What each further reason means."""
QUOTED = 300
"""Characters of a judgement that a message shows."""


class FunnelCounter:
    """Adds up outcomes."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()
        self._kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._errors: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._attacks: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._permuted = 0
        self._kept_judgements = 0
        self._faults: Counter[str] = Counter()
        self._verdicts: Counter[Choice] = Counter()
        self._blind = BlindJudge()
        self._first: dict[str, str] = {}
        self._unread: Counter[str] = Counter()
        self._first_unread: dict[str, str] = {}

    def add(self, pair: Pair, judgements: Sequence[Judgement], outcome: Outcome) -> None:
        """Counts one pair."""
        self._reasons[outcome.reason] += 1
        self._kinds[str(pair.question.kind)][outcome.reason] += 1
        self._errors[made_by(pair)][outcome.reason] += 1
        if judgements and judgements[0].attack:
            self._attacks[judgements[0].attack][outcome.reason] += 1
        self._permuted += any(judgement.permuted is not None for judgement in judgements)
        self._kept_judgements += len(outcome.kept)
        self._faults.update(outcome.faults)
        if outcome.reason == KEPT:
            self._blind.add(pair)
        self._verdicts.update(judgement.verdict.choice for judgement in judgements)
        if outcome.reason == "undecided":
            self._add_unread(pair, judgements)
        elif outcome.reason != KEPT and judgements:
            self._first.setdefault(outcome.reason, _quoted(pair, judgements[0].text))

    def _add_unread(self, pair: Pair, judgements: Sequence[Judgement]) -> None:
        for judgement in judgements:
            reason = judgement.verdict.reason
            if reason is not None:
                self._unread[reason] += 1
                self._first_unread.setdefault(
                    reason, f"{reason} in {_quoted(pair, judgement.text)}"
                )

    def _details(self) -> dict[str, str]:
        """Returns the first detail of each reason; for `undecided`, of its most frequent cause."""
        found = dict(sorted(self._first.items()))
        if self._unread:
            most = max(sorted(self._unread), key=self._unread.__getitem__)
            found["undecided"] = self._first_unread[most]
        return found

    def funnel(self) -> Funnel:
        """Returns what was counted so far; examples are not drawn yet."""
        decided = self._verdicts[Choice.A] + self._verdicts[Choice.B]
        return Funnel(
            pairs=self._reasons.total(),
            undecided=self._reasons["undecided"],
            disagreeing=self._reasons["disagreeing"],
            one_order=self._reasons["one_order"],
            further={
                reason: count
                for reason, count in sorted(self._reasons.items())
                if reason not in (*ALWAYS, KEPT)
            },
            kept=self._reasons[KEPT],
            kept_judgements=self._kept_judgements,
            faulty_traces=dict(sorted(self._faults.items())),
            kinds=_by_group(self._kinds),
            errors=_by_group(self._errors),
            attacks=_by_group(self._attacks),
            permuted=self._permuted,
            first_position=self._verdicts[Choice.A] / decided if decided else None,
            blind_guesses=self._blind.guesses,
            blind_right=self._blind.right,
            first_details=self._details(),
        )


def made_by(pair: Pair) -> str:
    """Returns how a pair was made: by its planted error, or `VOTE`."""
    return pair.origin.error if isinstance(pair.origin, Altered) else VOTE


def _by_group(groups: Mapping[str, Counter[str]]) -> dict[str, KindFunnel]:
    return {
        name: KindFunnel(
            pairs=reasons.total(),
            kept=reasons[KEPT],
            lost={reason: count for reason, count in sorted(reasons.items()) if reason != KEPT},
        )
        for name, reasons in sorted(groups.items())
    }


def _quoted(pair: Pair, text: str) -> str:
    """Returns the pair's id and the end of a judgement, or of the engine's message."""
    said = " ".join(text.split())
    shown = said if len(said) <= QUOTED else f"... {said[-QUOTED:]}"
    return f"pair {pair.id}: {shown!r}"


def explain_starvation(funnel: Funnel, min_examples: int) -> str:
    """Says why too little was kept: the funnel, its three likely causes and the first detail."""
    first = funnel.first_position
    bias = "no verdict at all" if first is None else f"{first:.0%} of the verdicts are A"
    lines = [
        f"filtering left {funnel.examples} examples, and filtering.min_examples is "
        f"{min_examples}. Of {funnel.pairs} pairs:",
        f"- {funnel.undecided} undecided: no verdict can be read in both orders;",
        f"- {funnel.disagreeing} disagreeing: the judge prefers the rejected answer;",
        f"- {funnel.one_order} one_order: right in one order only, wrong when they are swapped;",
        *(f"- {count} {reason}: {FURTHER[reason]};" for reason, count in funnel.further.items()),
        f"- {funnel.kept} kept.",
        *_quotations(funnel),
        "Likely causes:",
        "(1) where many are undecided, the judge's texts end without a verdict: look at them in "
        "judge/ in the store, raise judging.sampling.max_tokens, or use other prompts;",
        f"(2) where many are one_order, the judge goes by position, not by content ({bias}): raise "
        "judging.samples or judging.sampling.temperature, so that some samples get it right;",
        "(3) where many disagree, or there are few pairs, the pairs are wrong or too hard: look at "
        "them and at the reasons against the others in synthesize/ in the store.",
    ]
    return "\n".join(lines)


def _quotations(funnel: Funnel) -> list[str]:
    """Quotes the first detail of the most frequent reason, of pairs and of missing pairs."""
    lines = []
    if funnel.unpaired:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(funnel.unpaired.items()))
        lines.append(f"Further questions gave no pair: {counts}. {funnel.first_unpaired}")
    lost = {name: getattr(funnel, name) for name in ALWAYS} | funnel.further
    most = max(lost, key=lost.__getitem__)
    if detail := funnel.first_details.get(most):
        lines.append(f"The first {most}: {detail}")
    return lines
