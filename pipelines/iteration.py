"""The tasks of one iteration: from the current judge to examples, and to the next judge.

Both are plain functions that add tasks to the pipeline around them. A sub-pipeline of its own would
cost a driver pod and four nodes of Argo's object each time (`pipelines.estimate`).
"""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from components.decide.component import decide
from components.enough.component import enough
from components.evaluate.component import evaluate
from components.filter.component import filter as keep_agreeing
from components.judge.component import judge
from components.register.component import register
from components.synthesize.component import synthesize
from components.train.component import train
from components.validate.component import validate
from pipelines.placement import Placement

PARALLEL_PARTITIONS = 8
"""Partitions that run at the same time on a cluster; the local runner takes two at most."""
Common = Mapping[str, Any]
"""Arguments of every task of the iteration."""


def add_gather(
    placement: Placement, common: Common, partitions: int, questions: Any, model: Any
) -> tuple[Any, Any]:
    """Adds the tasks that make and judge pairs in all partitions and select the training examples.

    Returns:
        The examples, and the gate's task, which returns `train` if there are enough.
    """
    with dsl.ParallelFor(
        list(range(partitions)), name="partitions", parallelism=PARALLEL_PARTITIONS
    ) as partition:
        made = synthesize(**common, partition=partition, questions=questions, model=model)
        pairs = placement.place(made).outputs["pairs"]
        judged = placement.place(judge(**common, partition=partition, pairs=pairs, model=model))
    kept = keep_agreeing(
        **common,
        pairs=dsl.Collected(pairs),
        judgements=dsl.Collected(judged.outputs["judgements"]),
    )
    examples = placement.place(kept).outputs["examples"]
    return examples, placement.place(enough(**common, examples=examples))


def add_learn(
    placement: Placement, common: Common, examples: Any, held_out: Any, model: Any
) -> tuple[Any, Any]:
    """Adds the tasks that train the judge, score it and register it as a version.

    Returns:
        The trained judge, and the gate's task, which returns `continue` if another iteration
        follows.
    """
    made = placement.place(train(**common, examples=examples, model=model))
    trained = made.outputs["trained"]
    validated = placement.place(validate(**common, pairs=held_out, model=trained))
    validation = validated.outputs["validation"]
    evaluated = placement.place(evaluate(**common, model=trained))
    version = register(
        **common, trained=trained, validation=validation,
        evaluation=evaluated.outputs["evaluation"], examples=examples,
    )  # fmt: skip
    registered = placement.place(version)
    # Versions are numbered in the order of iterations: the next one begins after this one's.
    decided = decide(**common, validation=validation).after(registered)
    return trained, placement.place(decided)
