"""What happened in a loop, read from its ledger; works on an unfinished or failed loop too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from judgeloop.runtime.ledger import AFTER_LOOP, Entry, Ledger
from judgeloop.runtime.stage_table import stage_place
from judgeloop.runtime.stages.decide import STARVED, STOP, TRAIN
from judgeloop.schema.records import Manifest, Record


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
    both_orders: float


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
    manifest: Manifest

    @property
    def undecided_count(self) -> int:
        """Number of judgements without a verdict."""
        return round(self.undecided * 2 * self.n)


class Baseline(Record, frozen=True, kw_only=True):
    """What a rule that sees no image reaches on the gold pairs."""

    name: str
    n: int
    accuracy: Estimate
    both_orders: Estimate


class Iteration(Record, frozen=True, kw_only=True):
    """One round of the loop; iteration 0 is the start model. What is not done is None or empty."""

    number: int
    gold: Scores | None = None
    held_out: Scores | None = None
    synthesized: dict[str, int]
    """Summed counts of `synthesize` over the partitions."""
    judged: dict[str, int]
    """Summed counts of `judge` over the partitions."""
    filtered: Manifest | None = None
    trained: Manifest | None = None
    version: str | None = None
    decision: str | None = None
    reason: str | None = None

    @property
    def kept_share(self) -> float | None:
        """Share of the pairs that passed the filter."""
        return self.filtered.metrics.get("kept_share") if self.filtered else None


class Promotion(Record, frozen=True, kw_only=True):
    """How the gate decided."""

    promoted: bool
    reason: str
    candidate: str | None
    champion: str | None
    """The champion when the gate was asked."""
    opponent: str
    difference: Estimate | None
    """Both-order accuracy of the candidate minus the opponent's, paired by item."""
    n: int


class Task(Record, frozen=True, kw_only=True):
    """A finished or failed task."""

    name: str
    stage: str
    iteration: int
    seconds: float
    manifest: Manifest | None = None
    error: str | None = None


class Story(Record, frozen=True, kw_only=True):
    """Everything that the report shows, but for the gallery."""

    loop_id: str
    status: str
    """How the pipeline ended, in the words of whoever ran it."""
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
        """The evaluated iteration that counts: the gate's candidate, else the last one."""
        candidate = self.promotion.candidate if self.promotion else None
        chosen = [item for item in self.evaluated if candidate and item.version == candidate]
        return next(iter([*chosen, *self.evaluated[-1:]]), None)

    @property
    def stopped_because(self) -> str:
        """Why the loop ended, in words; empty where it has not."""
        if self.failures:
            task = self.failures[0]
            return f"task {task.name} failed: {(task.error or 'no message').splitlines()[0]}"
        if self.stop:
            return self.stop[1]
        return f"the pipeline ended as {self.status}" if self.failed else ""

    @property
    def stop(self) -> tuple[int, str] | None:
        """The iteration after which the loop stopped, and why; None where it was not decided."""
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
                "with the same loop id to go on"
            )
        return None

    @property
    def champion_version(self) -> str | None:
        """The registered version that is champion after the loop, where there is one."""
        if self.promotion is None:
            return None
        return self.promotion.candidate if self.promotion.promoted else self.promotion.champion

    @property
    def baselines(self) -> list[Baseline]:
        """The baselines of the gold pairs."""
        return read_baselines(self.evaluated[-1].gold) if self.evaluated else []

    def seconds(self) -> dict[str, float]:
        """Returns the summed time of the tasks by stage, in the order of the loop."""
        total: defaultdict[str, float] = defaultdict(float)
        for task in sorted(self.tasks, key=lambda task: stage_place(task.stage)):
            total[task.stage] += task.seconds
        return dict(total)

    def left_out(self) -> dict[tuple[str, str], int]:
        """Returns how many rows were left out, by stage and reason.

        Gold rows stand under `gold`, once: every evaluation is on the same ones.
        """
        total: Counter[tuple[str, str]] = Counter()
        for task in sorted(self.tasks, key=lambda task: stage_place(task.stage)):
            for name, count in sorted(task.manifest.counts.items() if task.manifest else ()):
                kind, _, reason = name.partition("/")
                if kind != "dropped" or not count:
                    continue
                if task.stage == "evaluate":
                    total["gold", reason] = count
                else:
                    total[task.stage, reason] += count
        return dict(total)


def read_story(ledger: Ledger, status: str) -> Story:
    """Reads a loop's ledger.

    Args:
        ledger: The ledger; it may be empty.
        status: How the pipeline ended, such as `SUCCEEDED`; empty where nobody knows.

    Raises:
        DataError, StoreError: The ledger cannot be read.
    """
    entries = sorted(ledger.entries(), key=_order)
    numbers = sorted({entry.iteration for entry in entries if entry.iteration < AFTER_LOOP})
    promoted = [e.manifest for e in entries if e.stage == "promote" and e.manifest]
    return Story(
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
                manifest=entry.manifest,
                error=entry.error,
            )
            for entry in entries
            if entry.stage != "report"
        ),
        promotion=_promotion(promoted[-1]) if promoted else None,
    )


def read_baselines(scores: Scores | None) -> list[Baseline]:
    """Returns the baselines that an evaluation's manifest holds, by name."""
    if scores is None:
        return []
    metrics = scores.manifest.metrics
    names = sorted({key.split("/")[1] for key in metrics if key.startswith("baseline/")})
    return [
        Baseline(
            name=name.replace("_", " "),
            n=scores.n,
            accuracy=_estimate(metrics, f"baseline/{name}/accuracy"),
            both_orders=_estimate(metrics, f"baseline/{name}/both_orders"),
        )
        for name in names
    ]


def summed(manifests: Iterable[Manifest]) -> dict[str, int]:
    """Returns the sums of the counts of several manifests, names sorted."""
    total: Counter[str] = Counter()
    for manifest in manifests:
        total.update(manifest.counts)
    return dict(sorted(total.items()))


def _iteration(number: int, entries: Sequence[Entry]) -> Iteration:
    done: dict[str, list[Manifest]] = {}
    for entry in entries:
        if entry.manifest:
            done.setdefault(entry.stage, []).append(entry.manifest)
    last = {stage: manifests[-1] for stage, manifests in done.items()}
    gates = [last[gate].details for gate in ("decide", "enough") if gate in last]
    decided = next((gate for gate in gates if gate["decision"] != TRAIN), {})
    starved = decided.get("decision") == STARVED
    return Iteration(
        number=number,
        gold=_scores(last.get("evaluate")),
        held_out=_scores(last.get("validate")),
        synthesized=summed(done.get("synthesize", ())),
        judged=summed(done.get("judge", ())),
        filtered=last.get("filter"),
        trained=last.get("train"),
        version=last["register"].details.get("version") if "register" in last else None,
        decision=STOP if starved else decided.get("decision"),
        reason=decided.get("reason"),
    )


def _scores(manifest: Manifest | None) -> Scores | None:
    if manifest is None:
        return None
    metrics, counts = manifest.metrics, manifest.counts
    names = sorted(key.split("/", 1)[1] for key in metrics if key.startswith("both_orders/"))
    return Scores(
        n=counts.get("n", manifest.rows),
        accuracy=_estimate(metrics, "accuracy"),
        both_orders=_estimate(metrics, "both_orders"),
        first_position=metrics.get("first_position"),
        undecided=metrics.get("undecided", 0.0),
        categories=tuple(
            Category(
                name=name,
                n=counts.get(f"n/{name}", 0),
                accuracy=metrics.get(f"accuracy/{name}", 0.0),
                both_orders=metrics[f"both_orders/{name}"],
            )
            for name in names
        ),
        manifest=manifest,
    )


def _promotion(manifest: Manifest) -> Promotion:
    details, metrics = manifest.details, manifest.metrics
    difference = None
    if "difference" in metrics:
        difference = Estimate(
            value=metrics["difference"], low=metrics.get("low"), high=metrics.get("high")
        )
    return Promotion(
        promoted=details.get("decision") == "promote",
        reason=details.get("reason", ""),
        candidate=details.get("candidate_version") or None,
        champion=details.get("champion_version") or None,
        opponent=details.get("opponent", ""),
        difference=difference,
        n=manifest.counts.get("n", 0),
    )


def _estimate(metrics: dict[str, float], name: str) -> Estimate:
    return Estimate(
        value=metrics.get(name, 0.0),
        low=metrics.get(f"{name}_low"),
        high=metrics.get(f"{name}_high"),
    )


def _order(entry: Entry) -> tuple[int, tuple[int, str], int]:
    partition = -1 if entry.partition is None else entry.partition
    return (entry.iteration, stage_place(entry.stage), partition)
