"""Results of stages: one tagged record type each, stored in the manifest of the stage.

Figures for MLflow and for Kubeflow's page are derived from these records (`metrics`), never read
back from them.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from judgeloop.schema.scorecard import Scorecard

FLOORS_FAILED = "floors_failed"
"""Metric: how many of the floors (`judgeloop.evaluation.floors`) a judge does not clear."""


class Result(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of all results."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures that are shown beside others, by their names there."""
        return {}


class Resolved(Result, frozen=True, kw_only=True, tag="resolved"):
    """The registered version that a loop continues from; None if it begins with the base."""

    start: str | None = None
    """The value of `model.start`."""
    version: str | None = None
    controls: tuple[str, ...] = ()
    """The study's control arms behind the version."""


class Ingested(Result, frozen=True, kw_only=True, tag="ingested"):
    """What became of the rows of a file of questions; the manifest counts them."""

    first_dropped: str = ""
    """The first detail of the most frequent reason for which rows were not used."""


class Verdicts(Result, frozen=True, kw_only=True, tag="verdicts"):
    """Counts of the verdicts of a partition."""

    a: int
    b: int
    undecided: dict[str, int]
    """By reason."""
    agreeing: int
    """Judgements that agree with the pair's known preference."""


class KindFunnel(msgspec.Struct, frozen=True, kw_only=True):
    """The pairs of one kind of question, of planted error, or of attack."""

    pairs: int
    kept: int
    lost: dict[str, int] = {}
    """Pairs of which nothing was kept, by reason; with `kept` they add up to `pairs`."""


class Funnel(Result, frozen=True, kw_only=True, tag="funnel"):
    """What filtering kept, and why it did not keep the rest."""

    pairs: int
    undecided: int
    """Pairs of which no sample is decided in both orders."""
    disagreeing: int
    """Pairs of which none agrees in any order."""
    one_order: int
    """Pairs that agree in one order only: position decides."""
    further: dict[str, int] = {}
    """Pairs that were lost for other reasons than these three, by reason."""
    kept: int
    kept_judgements: int
    faulty_traces: dict[str, int] = {}
    """Agreeing traces that were left out for what they say, by reason."""
    kinds: dict[str, KindFunnel]
    """By kind of question, sorted."""
    errors: dict[str, KindFunnel] = {}
    """By kind of planted error, sorted; pairs by vote are `vote`."""
    attacks: dict[str, KindFunnel] = {}
    """Pairs that were judged with an attack in the rejected answer, by its kind, sorted."""
    permuted: int = 0
    """Pairs that were also judged with their question's options in another order."""
    first_position: float | None
    """Share of the decided verdicts that are A; None if nothing was decided."""
    examples: int = 0
    blind_guesses: int = 0
    """Kept pairs on which the blind judge, which sees neither image nor question, made a guess."""
    blind_right: int = 0
    """Guesses of the blind judge that were right."""
    first_details: dict[str, str] = {}
    """An example of each reason (`undecided`, ...), from its first pair, for people to read."""
    unpaired: dict[str, int] = {}
    """Questions that gave no pair, by reason."""
    first_unpaired: str = ""
    """The first detail of the most frequent of those reasons."""
    capped: int = 0
    """Kept judgements that became no examples."""
    capped_by: dict[str, int] = {}
    """The same by reason: a cap's name (`pairs_per_image`, ...), `max_examples` or `balance`."""

    @property
    def kept_share(self) -> float:
        """Share of the pairs of which something was kept, 0..1."""
        return self.kept / self.pairs if self.pairs else 0.0

    def metrics(self) -> dict[str, float]:
        """Returns kept_share, kept_share/<kind>, and first_position where anything is decided.

        `blind_accuracy` is included where the blind judge guessed on kept pairs.
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


LOSS = "loss/"
"""Prefix of the loss of a step in the figures of a training, before the step's number."""


class Training(Result, frozen=True, kw_only=True, tag="training"):
    """Figures of a training; None where the kind of trainer has no such figure."""

    examples: int
    steps: int | None = None
    first_loss: float | None = None
    last_loss: float | None = None
    mean_loss: float | None = None
    skill: float | None = None
    """Of a scripted model."""
    losses: tuple[tuple[int, float], ...] = ()
    """The curve: (step, loss), evenly thinned where training has many steps."""

    def metrics(self) -> dict[str, float]:
        """Returns the figures that there are."""
        return {
            name: float(value)
            for name in self.__struct_fields__
            if name != "losses" and (value := getattr(self, name)) is not None
        }


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition, whether it holds, and the figures that say so."""

    name: str
    holds: bool
    text: str


class Shortcut(msgspec.Struct, frozen=True, kw_only=True):
    """How often a text-only rule prefers the chosen answer."""

    guesses: int
    """Pairs on which it prefers one of the answers."""
    right: int


class AttackScore(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of attack in the worse answer did to verdicts that were right without it."""

    pairs: int
    """Attacked pairs that are judged right in both orders as they are."""
    flipped: int
    """Of these, how many have the attacked answer preferred in at least one order."""
    undecided: int
    """Of these, how many others have no verdict in at least one order."""

    def plus(self, flipped: bool, undecided: bool) -> AttackScore:
        """Returns the score with one pair more."""
        return AttackScore(
            pairs=self.pairs + 1,
            flipped=self.flipped + flipped,
            undecided=self.undecided + (undecided and not flipped),
        )


class Scores(Result, frozen=True, kw_only=True, tag="scores"):
    """How a judge did on one set of pairs, and how text-only baselines did."""

    card: Scorecard
    pairs: str
    """Content key of the pairs: judges are compared on the same ones only."""
    protocol: str
    """Content key of how the judge was asked and its answers read; judges are only compared under
    the same protocol."""
    prompt_hash: str = ""
    """Of the prompt set that the judge was asked with; empty in results of earlier versions."""
    baselines: dict[str, Scorecard] = {}
    """Scores of text-only baselines on the pairs, by name."""
    attacks: dict[str, AttackScore] = {}
    """By kind of attack, where `evaluation.attacks` asks for it."""
    shortcuts: dict[str, Shortcut] = {}
    """How text-only rules do on held-out pairs (`judgeloop.evaluation.shortcuts`)."""
    below_floors: tuple[Check, ...] = ()
    """The floors (`judgeloop.evaluation.floors`) that the judge does not clear."""
    dropped: dict[str, int] = {}
    """Bad rows of the gold file, by reason."""
    further: dict[str, dict[str, float]] = {}
    """Figures of further sets that were evaluated beside the gold pairs, by set."""
    protocols: dict[str, str] = {}
    """How each named benchmark was run and scored, in words for a table's caption."""

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
        for name, attack in self.attacks.items():
            if attack.pairs:
                figures[f"attack/{name}/flipped"] = attack.flipped / attack.pairs
        for name, found in self.further.items():
            figures |= {f"benchmark/{name}/{figure}": value for figure, value in found.items()}
        return figures


class BenchmarkProtocol(msgspec.Struct, frozen=True, kw_only=True):
    """How a named benchmark was run and scored, without which its figures cannot be compared."""

    name: str
    """Project and revision of the protocol."""
    samples: int
    """Per order."""
    prompt: str
    """`official`, or which prompt set of the loop's."""
    data: dict[str, str]
    """SHA-256 of the data, by file."""

    def text(self) -> str:
        """Returns the protocol in words, for a table's caption."""
        files = ", ".join(f"{file} {sha256[:12]}" for file, sha256 in self.data.items())
        said = f"protocol {self.name}, {self.samples} samples an order, "
        return f"{said}prompt {self.prompt}, data {files}"


class BenchmarkScores(Result, frozen=True, kw_only=True, tag="benchmark"):
    """How a judge did on a named benchmark."""

    benchmark: str
    figures: dict[str, float]
    """`official/...`, `maps/...` and `strict/...`, as the benchmark names them."""
    asked: BenchmarkProtocol | None = None
    """None in results of earlier versions."""

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
    outcome: Literal["gain", "no_gain", "unclear", "too_few"] | None = None
    """What the paired test found (`judgeloop.evaluation.stopping`); None without the test."""
    pairs: int = 0
    """Held-out pairs that were compared."""
    pairs_needed: int | None = None
    """Pairs that the test needs to rule out the gain that counts."""


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
    | Ingested
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
