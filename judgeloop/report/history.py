"""A loop's history, read from its ledger; an unfinished or failed loop has one too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from judgeloop.runtime.ledger import AFTER_LOOP, Entry, Ledger
from judgeloop.runtime.stage_table import stage_place
from judgeloop.schema import results
from judgeloop.schema.records import Manifest, Record
from judgeloop.schema.results import Check, Decision, Funnel, Registered, Supply, Training, Verdicts
from judgeloop.schema.scorecard import Interval

T = TypeVar("T", bound=results.Result)


class Estimate(Record, frozen=True, kw_only=True):
    """A share with its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Category(Record, frozen=True, kw_only=True):
    """How one category of items was judged."""

    name: str
    n: int
    accuracy: float
    estimate: Estimate
    """Both-order accuracy."""


class Baseline(Record, frozen=True, kw_only=True):
    """The scores of a text-only baseline on the gold pairs."""

    name: str
    n: int
    accuracy: Estimate
    both_orders: Estimate


class Scores(Record, frozen=True, kw_only=True):
    """How a judge did on one set of pairs, each judged in both orders."""

    n: int
    """Pairs; there are 2n judgements."""
    accuracy: Estimate
    """Share of the 2n judgements that are right; undecided is wrong."""
    both_orders: Estimate
    """Share of the n pairs that are judged right in both orders."""
    first_position: float | None
    """Share of the decided judgements that prefer the answer shown first."""
    undecided: float
    """Share of the 2n judgements without a verdict."""
    categories: tuple[Category, ...]
    baselines: tuple[Baseline, ...] = ()
    """Of gold pairs only."""
    dropped: dict[str, int]
    """Bad gold rows by reason."""
    pairs: str
    """Content key of the pairs."""
    manifest: Manifest

    @property
    def undecided_count(self) -> int:
        """Number of judgements without a verdict."""
        return round(self.undecided * 2 * self.n)


class Iteration(Record, frozen=True, kw_only=True):
    """One iteration of the loop; 0 is the start model. Stages that did not run have None."""

    number: int
    gold: Scores | None = None
    held_out: Scores | None = None
    questions: int = 0
    """Questions asked, over the partitions."""
    unused: dict[str, int]
    """Questions that gave no pair, by reason."""
    undecided: dict[str, int] | None = None
    """Training judgements without a verdict, by reason; None if nothing was judged."""
    filtered: Funnel | None = None
    trained: Manifest | None = None
    training: Training | None = None
    version: str | None = None
    decision: str | None = None
    reason: str | None = None

    @property
    def kept_share(self) -> float | None:
        """Share of the pairs that passed the filter."""
        return self.filtered.kept_share if self.filtered else None


class Promotion(Record, frozen=True, kw_only=True):
    """How the gate decided."""

    promoted: bool
    reason: str
    candidate: str | None
    champion: str | None
    """The champion when the gate decided."""
    opponent: str
    difference: Estimate | None
    """Both-order accuracy of the candidate minus the opponent's, paired by item."""
    n: int
    checks: tuple[Check, ...] = ()
    """Every condition of the gate, in order."""


class Task(Record, frozen=True, kw_only=True):
    """A finished or failed task."""

    name: str
    stage: str
    iteration: int
    seconds: float
    started_at: str = ""
    """UTC, ISO 8601."""
    gpu_seconds: float = 0.0
    generated: int = 0
    machine: str = ""
    """Its machine; empty if not recorded."""
    manifest: Manifest | None = None
    error: str | None = None


class LoopHistory(Record, frozen=True, kw_only=True):
    """All data that the report shows except the gallery."""

    loop_id: str
    status: str
    """How the pipeline ended, as reported by its runner."""
    iterations: tuple[Iteration, ...]
    tasks: tuple[Task, ...]
    """In the order of the loop."""
    promotion: Promotion | None = None

    @property
    def failures(self) -> list[Task]:
        """Tasks whose last run failed."""
        return [task for task in self.tasks if task.manifest is None]

    @property
    def failed(self) -> bool:
        """Whether a task failed, or the pipeline says that it did not succeed."""
        return bool(self.failures) or self.status.upper() not in ("", "SUCCEEDED", "RUNNING")

    @property
    def evaluated(self) -> list[Iteration]:
        """Iterations whose model was evaluated on the gold pairs."""
        return [item for item in self.iterations if item.gold]

    @property
    def judge(self) -> Iteration | None:
        """The iteration that the report is about: the gate's candidate, else the last evaluated."""
        candidate = self.promotion.candidate if self.promotion else None
        chosen = [item for item in self.evaluated if candidate and item.version == candidate]
        return next(iter([*chosen, *self.evaluated[-1:]]), None)

    @property
    def stopped_because(self) -> str:
        """Why the loop ended, in words; empty if it has not."""
        if self.failures:
            task = self.failures[0]
            return f"task {task.name} failed: {(task.error or 'no message').splitlines()[0]}"
        if self.stop:
            return self.stop[1]
        return f"the pipeline ended as {self.status}" if self.failed else ""

    @property
    def stop(self) -> tuple[int, str] | None:
        """The iteration after which the loop stopped, and why; None if it was not decided."""
        decided = [item for item in self.iterations if item.decision]
        if not decided:
            return None
        last = decided[-1]
        if last.decision == "stop":
            return last.number, last.reason or "the stop rule said stop"
        if self.promotion and not self.failed:  # it said `continue`, and nothing followed
            return last.number, (
                f"the pipeline was compiled for {last.number} iteration(s) and has no more, though "
                "the stop rule said `continue`; compile it with a higher ITERATIONS and run it "
                "with the same loop id to resume"
            )
        return None

    @property
    def champion_version(self) -> str | None:
        """The registered version that is champion after the loop, if there is one."""
        if self.promotion is None:
            return None
        return self.promotion.candidate if self.promotion.promoted else self.promotion.champion

    @property
    def baselines(self) -> list[Baseline]:
        """The baselines of the gold pairs."""
        gold = self.evaluated[-1].gold if self.evaluated else None
        return list(gold.baselines) if gold else []

    def seconds(self) -> dict[str, float]:
        """Returns the summed time of the tasks by stage, in the order of the loop."""
        return {stage: seconds for stage, (seconds, _, _) in self.spent().items()}

    def spent(self) -> dict[str, tuple[float, float, int]]:
        """Returns seconds, GPU seconds and generated tokens by stage, in the order of the loop."""
        total: dict[str, tuple[float, float, int]] = {}
        for task in sorted(self.tasks, key=lambda task: stage_place(task.stage)):
            seconds, gpu, tokens = total.get(task.stage, (0.0, 0.0, 0))
            total[task.stage] = (
                seconds + task.seconds, gpu + task.gpu_seconds, tokens + task.generated,
            )  # fmt: skip
        return total

    def left_out(self) -> dict[tuple[str, str], int]:
        """Returns how many rows were left out, by stage and reason.

        Gold rows are counted once, under `gold`: every evaluation uses the same ones.
        """
        total: Counter[tuple[str, str]] = Counter()
        for task in sorted(self.tasks, key=lambda task: stage_place(task.stage)):
            if task.manifest is None:
                continue
            if isinstance(task.manifest.result, results.Scores):  # the same gold rows each time
                rows = task.manifest.result.dropped.items()
                total.update({("gold", reason): 0 for reason, _ in rows})
                for reason, count in rows:
                    total["gold", reason] = count
                continue
            for reason, count in sorted(task.manifest.dropped.items()):
                total[task.stage, reason] += count
        return dict(total)


def read_history(ledger: Ledger, status: str) -> LoopHistory:
    """Reads a loop's ledger.

    Args:
        ledger: The ledger; it may be empty.
        status: How the pipeline ended, such as `SUCCEEDED`; empty if unknown.

    Raises:
        DataError, StoreError: The ledger cannot be read.
    """
    entries = sorted(ledger.entries(), key=_order)
    numbers = sorted({entry.iteration for entry in entries if entry.iteration != AFTER_LOOP})
    promoted = [e.manifest for e in entries if e.stage == "promote" and e.manifest]
    return LoopHistory(
        loop_id=ledger.loop_id,
        status=status,
        iterations=tuple(
            _iteration(number, [e for e in entries if e.iteration == number]) for number in numbers
        ),
        tasks=tuple(
            Task(
                name=entry.name,
                stage=entry.stage,
                iteration=entry.iteration,
                seconds=entry.seconds,
                started_at=entry.started_at,
                gpu_seconds=entry.gpu_seconds,
                generated=entry.generated,
                machine=entry.machine,
                manifest=entry.manifest,
                error=entry.error,
            )
            for entry in entries
            if entry.stage != "report"
        ),
        promotion=_promotion(promoted[-1]) if promoted else None,
    )


def summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Returns the sums of several counts, names sorted."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items()))


def _iteration(number: int, entries: Sequence[Entry]) -> Iteration:
    done: dict[str, list[Manifest]] = {}
    for entry in entries:
        if entry.manifest:
            done.setdefault(entry.stage, []).append(entry.manifest)
    last = {stage: manifests[-1] for stage, manifests in done.items()}
    decision = _result(last.get("decide"), Decision)
    supply = _result(last.get("enough"), Supply)
    starved = decision is None and supply is not None and supply.action == "starved"
    registered = _result(last.get("register"), Registered)
    return Iteration(
        number=number,
        gold=_scores(last.get("evaluate")),
        held_out=_scores(last.get("validate")),
        questions=sum(made.input_rows for made in done.get("synthesize", ())),
        unused=summed(made.dropped for made in done.get("synthesize", ())),
        undecided=summed(made.expect(Verdicts).undecided for made in done["judge"])
        if "judge" in done
        else None,
        filtered=_result(last.get("filter"), Funnel),
        trained=last.get("train"),
        training=_result(last.get("train"), Training),
        version=registered.version if registered else None,
        decision="stop" if starved else decision.action if decision else None,
        reason=supply.reason if starved and supply else decision.reason if decision else None,
    )


def _result(manifest: Manifest | None, kind: type[T]) -> T | None:
    return None if manifest is None else manifest.expect(kind)


def _scores(manifest: Manifest | None) -> Scores | None:
    if manifest is None:
        return None
    found = manifest.expect(results.Scores)
    card = found.card
    return Scores(
        n=card.n,
        accuracy=_estimate(card.accuracy, card.accuracy_interval),
        both_orders=_estimate(card.both_orders, card.both_orders_interval),
        first_position=card.first_position,
        undecided=card.undecided,
        categories=tuple(
            Category(
                name=name,
                n=each.n,
                accuracy=each.accuracy,
                estimate=_estimate(each.both_orders, each.both_orders_interval),
            )
            for name, each in card.categories.items()
        ),
        baselines=tuple(
            Baseline(
                name=name.replace("_", " "),
                n=each.n,
                accuracy=_estimate(each.accuracy, each.accuracy_interval),
                both_orders=_estimate(each.both_orders, each.both_orders_interval),
            )
            for name, each in sorted(found.baselines.items())
        ),
        dropped=found.dropped,
        pairs=found.pairs,
        manifest=manifest,
    )


def _promotion(manifest: Manifest) -> Promotion:
    found = manifest.expect(results.Promotion)
    gate = found.gate
    return Promotion(
        promoted=gate.decision == "promote",
        reason=gate.reason,
        candidate=found.candidate_version,
        champion=found.champion_version,
        opponent=gate.champion,
        difference=_estimate(gate.difference, Interval(gate.low, gate.high)) if gate.n else None,
        n=gate.n,
        checks=gate.checks,
    )


def _estimate(value: float, interval: Interval) -> Estimate:
    return Estimate(value=value, low=interval.low, high=interval.high)


def _order(entry: Entry) -> tuple[bool, int, tuple[int, str], int]:
    partition = -1 if entry.partition is None else entry.partition
    after_loop = entry.iteration == AFTER_LOOP
    return (after_loop, entry.iteration, stage_place(entry.stage), partition)
