"""One arm's loop: the stages of the pipeline in one process, with the arm's change of the pairs.

Every stage is the product's own, with its content keys, on a store that all arms share. So work
that two arms share (the synthesis of an iteration, the held-out pairs, the base's judgements) is
done once, and a killed arm resumes after its last finished shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from typing import Any
from unittest import mock

import msgspec

from benchmarks.study.arms import Arm
from benchmarks.study.promotion import gate_on_gold
from benchmarks.study.relabel import correct_answers, relabelled
from benchmarks.study.sight import sight_shares
from judgeloop.method.synthesis.answers import normalize
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.stages.evaluate import evaluate
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.runtime.stages.judge import judge
from judgeloop.runtime.stages.resolve import resolve
from judgeloop.runtime.stages.synthesize import hold_out, synthesize
from judgeloop.runtime.stages.train import train
from judgeloop.runtime.stages.validate import validate
from judgeloop.schema.config import Config
from judgeloop.schema.records import Example, Manifest, ModelRef, Order, Pair, Voted
from judgeloop.schema.results import Funnel, Scores
from judgeloop.store import Store, open_store
from judgeloop.store.shards import read_records
from judgeloop.tiny.unplanted import write_unplanted

UNPLANTED = 500
"""Pairs with mistakes that synthesis does not plant."""
WORLD_SEED = 20_512

Figures = dict[str, Any]


class ArmLoop:
    """Runs an arm with one seed.

    Args:
        arm: The arm.
        config: Its configuration.
        loop_id: Its name in the ledger and in the registry.
        folder: Folder of the study.
    """

    def __init__(self, arm: Arm, config: Config, loop_id: str, folder: Path) -> None:
        self._arm, self._config = arm, config
        self._store: Store = open_store(config.store)
        self._ledger = Ledger(self._store, loop_id)
        self._further = _with_gold(config, folder / "unplanted")

    def run(self) -> Figures:
        """Runs every iteration; returns the figures of the page."""
        config, store = self._config, self._store
        self._ledger.claim(config)
        start = self._record(resolve(config, store, self._ledger), 0)
        model = _model(start)
        questions = ingest(config, store)
        held_out = hold_out(config, store, questions, model)
        rows: list[Figures] = []
        trainings: list[Figures] = []
        measured = []
        for iteration in range(config.loop.iterations + 1):
            examples = trained = None
            if iteration:
                examples, trained, figures = self._learn(iteration, questions, start, model)
                trainings.append(figures)
                if trained is None:
                    break
                model = _model(trained)
            scores = validate(config, store, iteration, held_out, model)
            gold = None
            if self._arm.gold_each or iteration in (0, config.loop.iterations):
                gold = self._record(evaluate(config, store, iteration, model), iteration)
            rows.append(_row(scores.expect(Scores), gold.expect(Scores) if gold else None))
            measured.append((trained, scores, gold, examples))
        golds = [gold for _, _, gold, _ in measured if gold]
        figures = {
            "iterations": rows,
            "trainings": trainings,
            "baselines": {
                name: [card.both_orders, card.accuracy]
                for name, card in golds[0].expect(Scores).baselines.items()
            },
            "unplanted": self._unplanted(_model(start), model),
            "sight": [sight_shares(store, [golds[0]]), sight_shares(store, [golds[-1]])],
        }
        if self._arm.used_gold:
            figures["gate"] = gate_on_gold(config, store, self._ledger, measured)
        return figures

    def _learn(
        self, iteration: int, questions: Manifest, start: Manifest, model: ModelRef
    ) -> tuple[Manifest, Manifest | None, Figures]:
        """Returns the examples, the training (None if too few were kept), and figures."""
        config, store = self._config, self._store
        seed, count = config.loop.seed, config.data.count or 0
        made = synthesize(config, store, iteration, 0, questions, _model(start))
        pairs = relabelled(store, made, self._arm, count, seed)
        judged = judge(config, store, iteration, 0, pairs, model)
        examples = filter_judgements(config, store, [pairs], [judged])
        funnel = examples.expect(Funnel)
        enough = examples.rows >= config.filtering.min_examples
        trained = train(config, store, self._ledger, iteration, examples, model) if enough else None
        figures = {
            "pairs": pairs.rows,
            "kept_share": funnel.kept_share,
            "examples": examples.rows,
            "right": right_share(store, examples, pairs, made) if examples.rows else None,
            "majority_right": majority_right(store, made, correct_answers(count, seed)),
        }
        return examples, trained, figures

    def _unplanted(self, base: ModelRef, last: ModelRef) -> list[dict[str, list[float]]]:
        """Both-order accuracy and n by category, of the base and of the last judge."""
        found = []
        for iteration, model in ((0, base), (self._config.loop.iterations, last)):
            made = evaluate(self._further, self._store, iteration, model)
            categories = made.expect(Scores).card.categories
            found.append({name: [one.both_orders, one.n] for name, one in categories.items()})
        return found

    def _record(self, made: Manifest, iteration: int) -> Manifest:
        self._ledger.record(Entry(stage=made.stage, iteration=iteration, manifest=made))
        return made


def right_share(store: Store, examples: Manifest, used: Manifest, made: Manifest) -> float:
    """Returns the share of examples whose letter names the answer that synthesis preferred.

    Args:
        store: Store of the manifests.
        examples: The training examples.
        used: The pairs of the examples.
        made: Pairs of synthesis from the same questions.
    """
    preferred = {pair.question.id: pair.chosen for pair in read_records(store, made, Pair)}
    pairs = {pair.id: pair for pair in read_records(store, used, Pair)}
    right = []
    for example in read_records(store, examples, Example):
        name, order, _ = example.id.rsplit("/", 2)
        pair = pairs[name]
        says_chosen = example.completion.strip().endswith("A") == (order == Order.CHOSEN_FIRST)
        said = pair.chosen if says_chosen else pair.rejected
        right.append(said == preferred[pair.question.id])
    return mean(right)


def majority_right(store: Store, made: Manifest, answers: dict[str, str]) -> float:
    """Returns the share of the pairs by vote whose majority is the correct answer."""
    return mean(
        normalize(pair.chosen, pair.question) == normalize(answers[pair.question.id], pair.question)
        for pair in read_records(store, made, Pair)
        if isinstance(pair.origin, Voted)
    )


def _with_gold(config: Config, folder: Path) -> Config:
    """Returns a configuration whose gold pairs have mistakes that synthesis does not plant."""
    gold = write_unplanted(folder, UNPLANTED, WORLD_SEED)
    section = msgspec.structs.replace(config.evaluation, gold=str(gold), count=None)
    return msgspec.structs.replace(config, evaluation=section)


def _model(made: Manifest) -> ModelRef:
    assert made.model is not None
    return made.model


@contextmanager
def training_here() -> Iterator[None]:
    """Trains in this process, which has the libraries loaded, instead of a child process."""

    def run(command: list[str], *_: object) -> int:
        from judgeloop.training.job import read_job
        from judgeloop.training.sft import main

        main(read_job(Path(command[-1])))
        return 0

    with mock.patch("judgeloop.training.launch._run", run):
        yield


def _row(validation: Scores, gold: Scores | None) -> Figures:
    held_out = {"validation": validation.card.both_orders, "validation_n": validation.card.n}
    if gold is None:
        return held_out
    card = gold.card
    return held_out | {
        "n": card.n,
        "both_orders": card.both_orders,
        "low": card.both_orders_interval.low,
        "high": card.both_orders_interval.high,
        "accuracy": card.accuracy,
        "first_position": card.first_position,
        "undecided": card.undecided,
        "clear_probes": [card.clear_probes, card.probes],
        "categories": {name: [one.both_orders, one.n] for name, one in card.categories.items()},
    }
