"""Evaluate: scores the judge on gold pairs, for reports and the promotion gate, never the loop."""

from __future__ import annotations

import msgspec

from judgeloop.runtime.inference import WHOLE, Share
from judgeloop.runtime.stage_settings import EvaluateSettings
from judgeloop.runtime.stages.attack import attack_scores, judge_attacks
from judgeloop.runtime.stages.benchmark import judge_benchmark
from judgeloop.runtime.stages.gold import load_gold
from judgeloop.runtime.stages.inference import open_library
from judgeloop.runtime.stages.measure import measure
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.results import BenchmarkScores, Scores
from judgeloop.store import Store
from judgeloop.store.shards import finish

STAGE = "evaluate"
ATTACKED = "attacks"


def evaluate(config: EvaluateSettings, store: Store, iteration: int, model: ModelRef) -> Manifest:
    """Scores the judge on the gold pairs and on every further set of `evaluation.benchmarks`.

    With `evaluation.attacks` some gold pairs are also judged with attacks in the worse answer.

    Returns:
        As `measure` on the gold pairs; the scores also hold the dropped rows of the gold file, and
        the figures of each further set, whose manifest's key is among the inputs.
    """
    made = _on_gold(config, store, iteration, model)
    sets = {name: _on_set(config, store, iteration, name, model)
            for name in config.evaluation.benchmarks}  # fmt: skip
    attacked = _attacked(config, store, iteration, model)
    if not sets and attacked is None:
        return made
    parts = dict(sets) if attacked is None else {**sets, ATTACKED: attacked}
    further = {_short(name): one.result.metrics() for name, one in sets.items() if one.result}
    protocols = {name: said for name, one in sets.items() if (said := _protocol(one))}
    scores = msgspec.structs.replace(made.expect(Scores), further=further, protocols=protocols)
    if attacked is not None:
        flips = attack_scores(store, made, attacked)
        scores = msgspec.structs.replace(scores, attacks=flips)
    whole = msgspec.structs.replace(
        made,
        key=content_key(made.key, {name: one.key for name, one in parts.items()}),
        result=scores,
        inputs=(*made.inputs, made.key, *(one.key for one in parts.values())),
    )
    return finish(store, whole)


def judge_share(
    config: EvaluateSettings, store: Store, iteration: int, model: ModelRef, share: Share
) -> list[Manifest]:
    """Judges a share of the gold pairs and of every further set; `evaluate` then finds the shards.

    Returns:
        A manifest of the share's shards for each set, the gold pairs first.
    """
    made = [_on_gold(config, store, iteration, model, share)]
    for name in config.evaluation.benchmarks:
        made.append(_on_set(config, store, iteration, name, model, share))
    if attacked := _attacked(config, store, iteration, model, share):
        made.append(attacked)
    return made


def _attacked(
    config: EvaluateSettings, store: Store, iteration: int, model: ModelRef, share: Share = WHOLE
) -> Manifest | None:
    """Judges attacked gold pairs, if `evaluation.attacks` is set."""
    if not config.evaluation.attacks:
        return None
    gold = load_gold(config, store, open_library(config.data, store))
    return judge_attacks(config, store, iteration, gold, model, share)


def _on_set(
    config: EvaluateSettings,
    store: Store,
    iteration: int,
    name: str,
    model: ModelRef,
    share: Share = WHOLE,
) -> Manifest:
    if not name.endswith(".jsonl"):
        return judge_benchmark(config, store, iteration, name, model, share)
    section = msgspec.structs.replace(config.evaluation, gold=name, count=None)
    changed = msgspec.structs.replace(config, evaluation=section)
    return _on_gold(changed, store, iteration, model, share)


def _protocol(made: Manifest) -> str:
    """Describes a benchmark's protocol, samples, prompt and data; empty for a file of pairs."""
    if not isinstance(made.result, BenchmarkScores) or made.result.asked is None:
        return ""
    left_out = sum(made.dropped.values())
    return made.result.asked.text() + (f", {left_out} items left out" if left_out else "")


def _short(name: str) -> str:
    return name.rpartition("/")[2].removesuffix(".jsonl")


def _on_gold(
    config: EvaluateSettings, store: Store, iteration: int, model: ModelRef, share: Share = WHOLE
) -> Manifest:
    gold = load_gold(config, store, open_library(config.data, store))
    sampling = config.evaluation.sampling

    def complete(scores: Scores) -> Scores:
        return msgspec.structs.replace(scores, dropped=gold.dropped)

    return measure(config, store, STAGE, iteration, gold, model, sampling, True, complete, share)
