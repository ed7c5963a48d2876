"""A made-up loop: ledger, item results, gold pairs and pictures, as the stages leave them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

import msgspec

from judgeloop.evaluation.scorecard import scorecard
from judgeloop.runtime.ledger import AFTER_LOOP, Entry, Ledger
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.records import (
    Altered,
    Choice,
    Dropped,
    ItemResult,
    Kind,
    Labelled,
    Manifest,
    ModelRef,
    Pair,
    Question,
)
from judgeloop.schema.results import (
    AnyResult,
    Check,
    Decision,
    Funnel,
    GateDecision,
    KindFunnel,
    Promotion,
    Registered,
    Scores,
    Training,
    Verdicts,
)
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import Work, finish, finished, write_shards
from judgeloop.tiny.render import png
from judgeloop.tiny.scenes import Split, sample_from
from tests.conftest import REPOSITORY

ITEMS = 60
SKILL = (0.0, 0.55, 0.7, 0.8)
"""Share of the items that the judge of each iteration gets right in both orders."""
KINDS = (Kind.CAPTION, Kind.MULTIPLE_CHOICE, Kind.NUMBER, Kind.SHORT_PHRASE)
HOSTILE = "<script>alert('x')</script> | **bold** ![i](http://example.invalid/i.png)"
SECONDS = {"synthesize": 41.0, "judge": 12.5, "filter": 0.4, "train": 33.0, "register": 0.6}


class SampleLoop:
    """Writes the loop `sample` into a folder; each method records one part of it.

    Args:
        folder: Where the store is made.
        changes: `section.key=value` changes of the configuration.
    """

    def __init__(self, folder: Path, *changes: str) -> None:
        self.config: Config = load_config(
            REPOSITORY / "pipelines/configs/tiny.yaml", [f"store={folder}", *changes]
        )
        self.store = FolderStore(folder)
        self.images = ImageLibrary(self.store, self.config.data.max_pixels)
        self.ledger = Ledger(self.store, "sample")
        self.ledger.begin(self.config)

    def whole(self) -> SampleLoop:
        """Records a loop of three iterations that ends with a promotion."""
        self.start()
        for number in (1, 2, 3):
            self.iteration(number)
        self.promotion("promote", "the 95 % interval of the difference lies above 0")
        return self

    def start(self) -> None:
        """Records the start model, the questions and iteration 0."""
        ref = ModelRef(base="builtin:tiny-vlm")
        self.done("resolve", 0, model=ref)
        self.done("ingest", 0, counts={"inputs": 4803, "rows": 4800, "dropped/truncated_image": 3})
        self.done("hold_out", 0, partition=0, counts={"inputs": 480, "rows": ITEMS})
        self.scores(0)

    def iteration(self, number: int, reason: str = "") -> None:
        """Records a whole iteration."""
        self.synthesis(number)
        kept = {kind: 8 * number + 9 * at for at, kind in enumerate(KINDS)}
        undecided, one_order, total = 6 * number, 200 - 40 * number, sum(kept.values())
        funnel = Funnel(
            pairs=400,
            undecided=undecided,
            disagreeing=400 - undecided - one_order - total,
            one_order=one_order,
            kept=total,
            kept_judgements=2 * total,
            kinds={str(kind): KindFunnel(pairs=100, kept=count) for kind, count in kept.items()},
            first_position=0.6,
            examples=2 * total,
            blind_guesses=100,
            blind_right=65,
        )
        self.done("filter", number, result=funnel)
        adapter = ModelRef(
            base="builtin:tiny-vlm",
            adapter=f"train/{number:024x}/adapter",
            adapter_sha256="ab" * 32,
        )
        training = Training(
            examples=2 * total, steps=60, first_loss=1.9 / number, last_loss=0.6 / number
        )
        self.done("train", number, model=adapter, result=training)
        validation, evaluation = self.scores(number)
        version = Registered(
            model_name="judgeloop-tiny", version=str(number), uri="models:/x",
            validation=validation, evaluation=evaluation,
        )  # fmt: skip
        self.done("register", number, result=version)
        last = number == 3
        decision = Decision(
            action="stop" if last else "continue",
            reason=reason or ("loop.iterations (3) is reached" if last else "validation rose"),
            score=0.5,
            best_before=0.4,
        )
        self.done("decide", number, result=decision)

    def synthesis(self, number: int) -> None:
        """Records two partitions of pairs and their judgements."""
        for partition in (0, 1):
            counts = {"inputs": 600, "rows": 200, "rows/vote": 150, "rows/colour": 50}
            counts |= {"dropped/unanimous": 310, "dropped/tie": 60, "dropped/unchanged": 30}
            self.done("synthesize", number, partition=partition, counts=counts)
            verdicts = Verdicts(a=240, b=152, undecided={"no_verdict": 8}, agreeing=200)
            self.done("judge", number, partition=partition, counts={"rows": 400}, result=verdicts)

    def scores(self, number: int) -> list[Scores]:
        """Records the held-out and the gold figures of one judge."""
        held_out, gold = self.pairs("hold_out"), self.pairs("gold")
        return [
            self.results("validate", number, held_out),
            self.results("evaluate", number, gold),
        ]

    def pairs(self, stage: str) -> Manifest:
        """Stores pairs with pictures; the first one's answer tries to be markup."""
        if done := finished(self.store, stage, f"{stage}-items"):
            return done
        rng = random.Random(stage)
        images = [self.images.add(png(sample_from(Split.EVALUATION, rng))) for _ in range(6)]
        made = []
        for number in range(ITEMS):
            kind = KINDS[number % len(KINDS)]
            question = Question(
                id=f"q{number}",
                images=(images[number % len(images)],),
                text="what is in the picture?" if number else HOSTILE,
                kind=kind,
                choices=("red", "blue", "grey") if kind is Kind.MULTIPLE_CHOICE else None,
            )
            labelled = Labelled(category=str(kind))
            altered = Altered(error="colour", place="red -> blue")
            made.append(
                Pair(
                    id=f"{stage}-{number:03d}",
                    question=question,
                    chosen="red circle north" if number else HOSTILE,
                    rejected="blue circle north",
                    origin=labelled if stage == "gold" else altered,
                )
            )
        header = Manifest(stage=stage, stage_version=1, key=f"{stage}-items")
        dropped = [Dropped(id="bad", reason="bad_record")] if stage == "gold" else []
        written = write_shards(
            self.store, header, [made], lambda batch: Work(records=batch, dropped=dropped)
        )
        return finish(self.store, written)

    def results(self, stage: str, number: int, pairs: Manifest) -> Scores:
        """Records how the judge of one iteration did on the pairs."""
        rng = random.Random(f"{stage}-{number}")
        results = [
            self._result(f"{pairs.stage}-{at:03d}", at, rng.random() < SKILL[number], number)
            for at in range(ITEMS)
        ]
        card = scorecard(results)
        scores = Scores(card=card, pairs=pairs.key, protocol="both orders")
        if stage == "evaluate":
            rules = (("always_first", 0.5, 0.0), ("longer", 0.47, 0.4), ("random", 0.51, 0.27))
            baselines = {
                name: msgspec.structs.replace(card, accuracy=value, both_orders=both)
                for name, value, both in rules
            }
            scores = msgspec.structs.replace(scores, baselines=baselines, dropped={"bad_record": 1})
        header = Manifest(
            stage=stage,
            stage_version=1,
            key=f"{stage}-{number}",
            result=scores,
            details={"engine": "transformers 5.17.0"},
        )
        manifest = write_shards(self.store, header, [results], lambda batch: Work(records=batch))
        self.ledger.record(Entry(stage=stage, iteration=number, manifest=manifest, seconds=3.2))
        return scores

    def promotion(
        self,
        decision: Literal["promote", "refuse"],
        reason: str,
        candidate: str = "3",
        champion: str = "",
    ) -> None:
        """Records the gate's decision."""
        gate = GateDecision(
            decision=decision, reason=reason, candidate=candidate, champion="start model",
            n=ITEMS, difference=0.8, low=0.69, high=0.88,
            checks=(Check(name="beats the opponent", holds=True, text="0.69 is above 0"),
                    Check(name="no group falls", holds=decision == "promote", text="count -0.1")),
        )  # fmt: skip
        promotion = Promotion(
            gate=gate, candidate_version=candidate or None, champion_version=champion or None
        )
        self.done("promote", AFTER_LOOP, result=promotion)

    def failure(self, stage: str, iteration: int, error: str) -> None:
        """Records a failed task."""
        self.ledger.record(
            Entry(stage=stage, iteration=iteration, error=error, exit_code=1, seconds=1.0)
        )

    def done(
        self,
        stage: str,
        iteration: int,
        partition: int | None = None,
        model: ModelRef | None = None,
        counts: dict[str, int] | None = None,
        result: AnyResult | None = None,
    ) -> None:
        """Records a finished task."""
        manifest = Manifest(
            stage=stage,
            stage_version=1,
            key=f"{stage}-{iteration}-{partition}",
            partition=partition,
            model=model,
            counts=counts or {},
            result=result,
        )
        entry = Entry(
            stage=stage,
            iteration=iteration,
            partition=partition,
            manifest=manifest,
            seconds=SECONDS.get(stage, 0.2),
        )
        self.ledger.record(entry)

    @staticmethod
    def _result(item_id: str, at: int, right: bool, number: int) -> ItemResult:
        text = (
            HOSTILE
            if at == 0
            else f"the picture has a red circle north.\nverdict of judge {number}"
        )
        undecided = at % 20 == 7
        wrong = Choice.UNDECIDED if undecided else Choice.A  # the first position's bias
        return ItemResult(
            item_id=item_id,
            category=str(KINDS[at % len(KINDS)]),
            chosen_first=Choice.A,
            rejected_first=Choice.B if right else wrong,
            chosen_first_text=text,
            rejected_first_text=text,
        )
