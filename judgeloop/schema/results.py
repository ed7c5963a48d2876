"""What stages find out: one tagged record a kind, in the manifest of the stage.

Figures for MLflow and for Kubeflow's page are derived from these records (`metrics`), never read
back from them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

FLOORS_FAILED = "floors_failed"
"""Metric: how many of the floors (`judgeloop.evaluation.floors`) a judge does not clear."""


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all results."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures that are shown beside others, by their names there."""
        return {}


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


class Resolved(Result, frozen=True, kw_only=True, tag="resolved"):
    """The registered version that a loop continues from; None if it begins with the base."""

    start: str | None = None
    """What `model.start` said."""
    version: str | None = None
    controls: tuple[str, ...] = ()
    """The study's control arms behind the version."""


class Verdicts(Result, frozen=True, kw_only=True, tag="verdicts"):
    """What the judgements of a partition say."""

    a: int
    b: int
    undecided: dict[str, int]
    """By reason."""
    agreeing: int
    """Judgements that agree with the pair's known preference."""


class KindFunnel(msgspec.Struct, frozen=True, kw_only=True):
    """The pairs of one kind of question."""

    pairs: int
    kept: int


class Funnel(Result, frozen=True, kw_only=True, tag="funnel"):
    """What filtering kept, and why it did not keep the rest."""

    pairs: int
    undecided: int
    """Pairs of which no sample is decided in both orders."""
    disagreeing: int
    """Pairs of which none agrees in any order."""
    one_order: int
    """Pairs that agree in one order only: position decides."""
    kept: int
    kept_judgements: int
    kinds: dict[str, KindFunnel]
    """By kind of question, sorted."""
    first_position: float | None
    """Share of the decided verdicts that are A; None if nothing was decided."""
    examples: int = 0
    blind_guesses: int = 0
    """Kept pairs at which a judge guessed that sees neither picture nor question."""
    blind_right: int = 0
    """Guesses of it that were right."""
    first_details: dict[str, str] = {}
    """What the first pair of each reason (`undecided`, ...) shows of it, for a person."""
    unpaired: dict[str, int] = {}
    """Questions that gave no pair, by reason."""
    first_unpaired: str = ""
    """The first detail of the most frequent of those reasons."""
    capped: int = 0
    """Kept judgements that were left out to balance A and B, or by the limit."""

    @property
    def kept_share(self) -> float:
        """Share of the pairs of which something was kept, 0..1."""
        return self.kept / self.pairs if self.pairs else 0.0

    def metrics(self) -> dict[str, float]:
        """Returns kept_share, kept_share/<kind>, and first_position where anything is decided.

        `blind_accuracy` is there where the blind judge guessed at kept pairs.
        """
        found = {"kept_share": self.kept_share}
        for name, kind in self.kinds.items():
            found[f"kept_share/{name}"] = kind.kept / kind.pairs if kind.pairs else 0.0
        if self.first_position is not None:
            found["first_position"] = self.first_position
        if self.blind_guesses:
            found["blind_accuracy"] = self.blind_right / self.blind_guesses
        return found


class Supply(Result, frozen=True, kw_only=True, tag="supply"):
    """Whether there are enough examples to train on."""

    action: Literal["train", "starved"]
    reason: str


class Training(Result, frozen=True, kw_only=True, tag="training"):
    """How a training went; what a kind of trainer has not is None."""

    examples: int
    steps: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    mean_loss: float | None = None
    skill: float | None = None
    """Of a scripted model."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures that there are."""
        return {
            name: float(value)
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        }


class CategoryScore(msgspec.Struct, frozen=True):
    """The figures of the items of one category."""

    n: int
    accuracy: float
    both_orders: float
    both_orders_interval: Interval = Interval(0.0, 1.0)
    """Clustered by image; 0 to 1, which says nothing, in results of an earlier version."""


class Scorecard(msgspec.Struct, frozen=True, kw_only=True):
    """How well a judge did. An undecided verdict counts as wrong (strict).

    Without any item the shares are 0 and the intervals 0 to 1. Intervals are clustered by image:
    none is narrower than that of independent items.
    """

    n: int
    """Items; each was judged in both orders, so there are 2n verdicts."""
    accuracy: float
    """Mean over items of the share of the two orders that were judged right, 0..1."""
    accuracy_interval: Interval
    both_orders: float
    """Share of items that were judged right in both orders, 0..1."""
    both_orders_interval: Interval
    first_position: float | None
    """Share of the decided verdicts that chose the answer shown first: 0.5 without position bias.
    None if nothing was decided."""
    undecided_verdicts: int
    undecided: float
    """Share of all verdicts that are undecided, 0..1."""
    categories: dict[str, CategoryScore]
    """By category, sorted."""
    probes: int = 0
    """Items whose two answers are identical; they count in no figure above."""
    clear_probes: int = 0
    """Probes on which both orders prefer the same one of two identical answers."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures by their names in MLflow; what is None is left out."""
        figures = {
            "accuracy": self.accuracy,
            "accuracy_low": self.accuracy_interval.low,
            "accuracy_high": self.accuracy_interval.high,
            "both_orders": self.both_orders,
            "both_orders_low": self.both_orders_interval.low,
            "both_orders_high": self.both_orders_interval.high,
            "undecided": self.undecided,
        }
        if self.first_position is not None:
            figures["first_position"] = self.first_position
        for name, score in self.categories.items():
            figures[f"accuracy/{name}"] = score.accuracy
            figures[f"both_orders/{name}"] = score.both_orders
        return figures

    def counts(self) -> dict[str, int]:
        """Returns the numbers of items and of undecided verdicts behind the figures."""
        by_category = {f"n/{name}": score.n for name, score in self.categories.items()}
        probes = {"probes": self.probes, "clear_probes": self.clear_probes} if self.probes else {}
        return {"n": self.n, "undecided_verdicts": self.undecided_verdicts} | probes | by_category


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition, whether it holds, and the figures that say so."""

    name: str
    holds: bool
    text: str


class Scores(Result, frozen=True, kw_only=True, tag="scores"):
    """How a judge did on one set of pairs, and what rules that see no image reach on it."""

    card: Scorecard
    pairs: str
    """Content key of the pairs: judges are compared on the same ones only."""
    protocol: str
    """Content key of how the judge was asked and read: by one protocol only are they compared."""
    baselines: dict[str, Scorecard] = {}
    """What judges that look at nothing reach on the pairs, by name."""
    below_floors: tuple[Check, ...] = ()
    """What of `judgeloop.evaluation.floors` the judge does not clear."""
    dropped: dict[str, int] = {}
    """Bad rows of the gold file, by reason."""
    further: dict[str, dict[str, float]] = {}
    """Figures of further sets that were evaluated beside the gold pairs, by set."""
    protocols: dict[str, str] = {}
    """How each named benchmark was asked and counted, in words for a table's caption."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures of the judge, its baselines' and those of further sets.

        They are named `<figure>`, `baseline/<name>/<figure>` and `benchmark/<set>/<figure>`.
        """
        figures = self.card.metrics() | {FLOORS_FAILED: float(len(self.below_floors))}
        for name, card in self.baselines.items():
            figures |= {
                f"baseline/{name}/{figure}": value
                for figure, value in card.metrics().items()
                if figure.startswith(("accuracy", "both_orders")) and "/" not in figure
            }
        for name, found in self.further.items():
            figures |= {f"benchmark/{name}/{figure}": value for figure, value in found.items()}
        return figures


class BenchmarkScores(Result, frozen=True, kw_only=True, tag="benchmark"):
    """How a judge did on a named benchmark."""

    benchmark: str
    figures: dict[str, float]
    """`official/...`, `maps/...` and `strict/...`, as the benchmark names them."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures."""
        return self.figures


class Registered(Result, frozen=True, kw_only=True, tag="registered"):
    """A version in the registry."""

    model_name: str
    version: str
    uri: str
    controls: tuple[str, ...] = ()
    """The study's control arms behind the judge."""
    validation: Scores
    evaluation: Scores


class Decision(Result, frozen=True, kw_only=True, tag="decision"):
    """Whether another iteration follows."""

    action: Literal["continue", "stop"]
    reason: str
    score: float
    """Held-out both-order accuracy of this iteration."""
    best_before: float
    """The best of the iterations before it, the start model among them."""


class GateDecision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the champion moves, why, and the comparison behind it."""

    decision: Literal["promote", "refuse"]
    reason: str
    candidate: str
    champion: str
    """The opponent: the present champion or, if there is none, the loop's start model."""
    n: int = 0
    """Items that both judged; 0 where they were not compared."""
    difference: float = 0.0
    """Both-order accuracy of the candidate minus the champion's, -1..1."""
    low: float = -1.0
    high: float = 1.0
    """95 % interval of the difference; -1 to 1 if nothing was compared."""
    checks: tuple[Check, ...] = ()
    """Every condition, in order; all hold where the decision is to promote."""

    def metrics(self) -> dict[str, float]:
        """Returns the comparison, where there was one."""
        if not self.n:
            return {}
        return {"difference": self.difference, "low": self.low, "high": self.high}


class Promotion(Result, frozen=True, kw_only=True, tag="promotion"):
    """How the gate decided about a loop's best version."""

    gate: GateDecision
    candidate_version: str | None
    """None if the loop registered no version."""
    champion_version: str | None
    """The champion before the decision; None if there was none."""

    def metrics(self) -> dict[str, float]:
        """Returns the comparison, where there was one."""
        return self.gate.metrics()


AnyResult = (
    Resolved
    | Verdicts
    | Funnel
    | Supply
    | Training
    | Scores
    | BenchmarkScores
    | Registered
    | Decision
    | Promotion
)
