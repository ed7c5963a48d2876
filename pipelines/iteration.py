"""What an iteration of the loop is made of, and what comes before the first: sub-pipelines.

Every task with a model lies in a sub-pipeline that declares the size parameters as its inputs
(`Profile.arguments`): the compiler of KFP 2.17 loses resource parameters of tasks directly inside a
loop, a condition or an exit handler.
"""

from typing import Dict, List, NamedTuple  # noqa: UP035 (KFP reads typing.Dict and typing.List)

from kfp import dsl

from components.evaluate.component import evaluate
from components.filter.component import filter as keep_agreeing
from components.hold_out.component import hold_out
from components.judge.component import judge
from components.register.component import register
from components.synthesize.component import synthesize
from components.train.component import train
from components.validate.component import validate
from pipelines.placement import Placement

PARALLEL_PARTITIONS = 8
"""Partitions that run at the same time on a cluster; the local runner takes two at most."""
Component = dsl.base_component.BaseComponent


class Judged(NamedTuple):
    """What one partition makes."""

    pairs: dsl.Dataset
    judgements: dsl.Dataset


class Learned(NamedTuple):
    """What one round of training makes."""

    model: dsl.Model
    validation: dsl.Artifact


def make_start(placement: Placement) -> Component:
    """Makes the sub-pipeline of the validation pairs, which scores the start model on them."""

    @dsl.pipeline(name="start")
    def start(
        config: str,
        loop_id: str,
        inference_cpu: str,
        inference_memory: str,
        inference_gpus: int,
        node_selector: Dict[str, str],  # noqa: UP006
        tolerations: List[dict],  # noqa: UP006
        questions: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ) -> dsl.Dataset:
        """Makes the validation pairs."""
        sizes = {
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "node_selector": node_selector,
            "tolerations": tolerations,
        }  # fmt: skip
        common = {"config": config, "loop_id": loop_id}
        made = placement.place(hold_out(**common, questions=questions, model=model), sizes)
        pairs = made.outputs["pairs"]
        scored = validate(**common, iteration=0, pairs=pairs, model=model)
        placement.place(scored, sizes).set_display_name("iteration-0/validate")
        return pairs

    return start


def make_baseline(placement: Placement) -> Component:
    """Makes the sub-pipeline that scores the start model on gold pairs."""

    @dsl.pipeline(name="baseline")
    def baseline(
        config: str,
        loop_id: str,
        inference_cpu: str,
        inference_memory: str,
        inference_gpus: int,
        node_selector: Dict[str, str],  # noqa: UP006
        tolerations: List[dict],  # noqa: UP006
        model: dsl.Input[dsl.Model],
    ):
        """Scores the start model."""
        sizes = {
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "node_selector": node_selector,
            "tolerations": tolerations,
        }  # fmt: skip
        scored = evaluate(config=config, loop_id=loop_id, iteration=0, model=model)
        placement.place(scored, sizes).set_display_name("iteration-0/evaluate")

    return baseline


def make_gather(placement: Placement) -> Component:
    """Makes the sub-pipeline from the questions to the examples to train on."""
    shard = _make_shard(placement)

    @dsl.pipeline(name="gather")
    def gather(
        config: str,
        loop_id: str,
        iteration: int,
        partitions: List[int],  # noqa: UP006
        inference_cpu: str,
        inference_memory: str,
        inference_gpus: int,
        node_selector: Dict[str, str],  # noqa: UP006
        tolerations: List[dict],  # noqa: UP006
        questions: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ) -> dsl.Dataset:
        """Makes and judges pairs in all partitions, then keeps the examples to train on."""
        sizes = {
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "node_selector": node_selector,
            "tolerations": tolerations,
        }  # fmt: skip
        common = {"config": config, "loop_id": loop_id, "iteration": iteration}
        with dsl.ParallelFor(
            partitions, name="partitions", parallelism=PARALLEL_PARTITIONS
        ) as part:
            done = shard(**common, **sizes, partition=part, questions=questions, model=model)
        kept = keep_agreeing(
            **common,
            pairs=dsl.Collected(done.outputs["pairs"]),
            judgements=dsl.Collected(done.outputs["judgements"]),
        )
        return placement.place(kept).outputs["examples"]

    return gather


def make_learn(placement: Placement) -> Component:
    """Makes the sub-pipeline from the examples to a registered version."""

    @dsl.pipeline(name="learn")
    def learn(
        config: str,
        loop_id: str,
        iteration: int,
        inference_cpu: str,
        inference_memory: str,
        inference_gpus: int,
        training_cpu: str,
        training_memory: str,
        training_gpus: int,
        node_selector: Dict[str, str],  # noqa: UP006
        tolerations: List[dict],  # noqa: UP006
        examples: dsl.Input[dsl.Dataset],
        held_out: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ) -> Learned:
        """Trains the judge, scores it and registers it as a version."""
        sizes = {
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "training_cpu": training_cpu,
            "training_memory": training_memory, "training_gpus": training_gpus,
            "node_selector": node_selector, "tolerations": tolerations,
        }  # fmt: skip
        common = {"config": config, "loop_id": loop_id, "iteration": iteration}
        made = placement.place(train(**common, examples=examples, model=model), sizes)
        trained = made.outputs["trained"]
        validated = placement.place(validate(**common, pairs=held_out, model=trained), sizes)
        validation = validated.outputs["validation"]
        evaluated = placement.place(evaluate(**common, model=trained), sizes)
        version = register(
            **common, trained=trained, validation=validation,
            evaluation=evaluated.outputs["evaluation"], examples=examples,
        )  # fmt: skip
        placement.place(version)
        return Learned(model=trained, validation=validation)

    return learn


def _make_shard(placement: Placement) -> Component:
    @dsl.pipeline(name="shard")
    def shard(
        config: str,
        loop_id: str,
        iteration: int,
        partition: int,
        inference_cpu: str,
        inference_memory: str,
        inference_gpus: int,
        node_selector: Dict[str, str],  # noqa: UP006
        tolerations: List[dict],  # noqa: UP006
        questions: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ) -> Judged:
        """Makes and judges the pairs of one partition."""
        sizes = {
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "node_selector": node_selector,
            "tolerations": tolerations,
        }  # fmt: skip
        common = {
            "config": config, "loop_id": loop_id, "iteration": iteration, "partition": partition,
        }  # fmt: skip
        made = placement.place(synthesize(**common, questions=questions, model=model), sizes)
        pairs = made.outputs["pairs"]
        judged = placement.place(judge(**common, pairs=pairs, model=model), sizes)
        return Judged(pairs=pairs, judgements=judged.outputs["judgements"])

    return shard
