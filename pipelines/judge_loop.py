"""The loop: a bounded unroll of iterations, each behind the gate of the one before.

```
run (exit handler: report)
├── resolve ─► ingest ─► hold-out ─► iteration-0/validate, iteration-0/evaluate
├── loop
│   └── iteration-1/gather ─► enough ─► if train: learn ─► decide ─► if continue: iteration-2/...
└── promote, whichever gate stopped the loop

gather = for each partition: synthesize ─► judge;   then filter
learn  = train ─► validate, evaluate ─► register
```

Why it is cut like this (KFP 2.17): there is no while-loop, so the bound is fixed when compiling and
`decide` stops earlier. Gates have one output, for a condition on a named output is false when run
locally. What a loop body needs comes in as its sub-pipeline's inputs, since an outer task's
parameter would be replaced by the loop item. Nothing leaves an `If`: `promote` reads the ledger.
"""

from typing import List, NamedTuple  # noqa: UP035 (KFP reads lists as typing.List)

from kfp import dsl

from components.decide.component import decide
from components.enough.component import enough
from components.evaluate.component import evaluate
from components.filter.component import filter as keep_agreeing
from components.hold_out.component import hold_out
from components.ingest.component import ingest
from components.judge.component import judge
from components.promote.component import promote
from components.register.component import register
from components.report.component import report
from components.resolve.component import resolve
from components.synthesize.component import synthesize
from components.train.component import train
from components.validate.component import validate

NAME = "judge-loop"
"""The pipeline's name: one for all runs, for the cache of Kubeflow Pipelines is kept by name."""
PARALLEL_PARTITIONS = 8
"""Partitions that run at the same time on a cluster; the local runner takes two at most."""


class Judged(NamedTuple):
    """What one partition makes."""

    pairs: dsl.Dataset
    judgements: dsl.Dataset


class Learned(NamedTuple):
    """What one round of training makes."""

    model: dsl.Model
    validation: dsl.Artifact


@dsl.pipeline(name="shard")
def shard(
    config: str,
    loop_id: str,
    iteration: int,
    partition: int,
    questions: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
) -> Judged:
    """Makes and judges the pairs of one partition."""
    made = synthesize(
        config=config, loop_id=loop_id, iteration=iteration, partition=partition,
        questions=questions, model=model,
    )  # fmt: skip
    judged = judge(
        config=config, loop_id=loop_id, iteration=iteration, partition=partition,
        pairs=made.outputs["pairs"], model=model,
    )  # fmt: skip
    return Judged(pairs=made.outputs["pairs"], judgements=judged.outputs["judgements"])


@dsl.pipeline(name="gather")
def gather(
    config: str,
    loop_id: str,
    iteration: int,
    partitions: List[int],  # noqa: UP006
    questions: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
) -> dsl.Dataset:
    """Makes and judges pairs in all partitions, then keeps the examples to train on."""
    with dsl.ParallelFor(partitions, name="partitions", parallelism=PARALLEL_PARTITIONS) as part:
        done = shard(
            config=config, loop_id=loop_id, iteration=iteration, partition=part,
            questions=questions, model=model,
        )  # fmt: skip
    kept = keep_agreeing(
        config=config, loop_id=loop_id, iteration=iteration,
        pairs=dsl.Collected(done.outputs["pairs"]),
        judgements=dsl.Collected(done.outputs["judgements"]),
    )  # fmt: skip
    return kept.outputs["examples"]


@dsl.pipeline(name="learn")
def learn(
    config: str,
    loop_id: str,
    iteration: int,
    examples: dsl.Input[dsl.Dataset],
    held_out: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
) -> Learned:
    """Trains the judge, scores it and registers it as a version."""
    common = {"config": config, "loop_id": loop_id, "iteration": iteration}
    trained = train(**common, examples=examples, model=model).outputs["trained"]
    validation = validate(**common, pairs=held_out, model=trained).outputs["validation"]
    evaluation = evaluate(**common, model=trained).outputs["evaluation"]
    register(
        **common, trained=trained, validation=validation, evaluation=evaluation, examples=examples
    ).set_caching_options(False)
    return Learned(model=trained, validation=validation)


def make_loop(bound: int) -> dsl.base_component.BaseComponent:
    """Makes the sub-pipeline of `bound` iterations, each inside the gate of the one before."""

    def step(iteration, model, questions, held_out, partitions, common):
        here = {**common, "iteration": iteration}
        name = f"iteration-{iteration}"
        examples = gather(**here, partitions=partitions, questions=questions, model=model)
        examples.set_display_name(f"{name}/gather")
        supply = enough(**here, examples=examples.output).set_caching_options(False)
        supply.set_display_name(f"{name}/enough")
        with dsl.If(supply.output == "train", name=f"{name}-train"):
            learned = learn(**here, examples=examples.output, held_out=held_out, model=model)
            learned.set_display_name(f"{name}/learn")
            decision = decide(**here, validation=learned.outputs["validation"])
            decision.set_caching_options(False).set_display_name(f"{name}/decide")
            if iteration == bound:
                return
            with dsl.If(decision.output == "continue", name=f"{name}-continue"):
                step(iteration + 1, learned.outputs["model"], questions, held_out, partitions,
                     common)  # fmt: skip

    @dsl.pipeline(name="loop")
    def loop(
        config: str,
        loop_id: str,
        partitions: List[int],  # noqa: UP006
        questions: dsl.Input[dsl.Dataset],
        held_out: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ):
        """Runs the iterations."""
        common = {"config": config, "loop_id": loop_id}
        step(1, model, questions, held_out, partitions, common)

    return loop


def make_pipeline(iterations: int, partitions: int) -> dsl.base_component.BaseComponent:
    """Makes the whole pipeline.

    Args:
        iterations: The bound of the loop; `loop.iterations` of the configuration may be lower.
        partitions: Default of the parameter `partitions`: 0, 1, ... so many.
    """
    loop = make_loop(iterations)

    @dsl.pipeline(name=NAME, description="A vision-language judge that trains itself.")
    def judge_loop(
        config: str,
        loop_id: str,
        partitions: List[int] = list(range(partitions)),  # noqa: B006, UP006
    ):
        """Runs the loop and reports on it."""
        common = {"config": config, "loop_id": loop_id}
        ending = report(**common).set_caching_options(False)
        with dsl.ExitHandler(ending, name="run"):
            resolved = resolve(**common).set_caching_options(False)
            model = resolved.outputs["model"]
            # `resolve` claims the loop id, so nothing is done for an id that another loop holds.
            ingested = ingest(**common).after(resolved)
            questions = ingested.outputs["questions"]
            held_out = hold_out(**common, questions=questions, model=model).outputs["pairs"]
            validation = validate(**common, iteration=0, pairs=held_out, model=model)
            validation.set_display_name("iteration-0/validate")
            # Not before the questions are known to be sound: this may take long.
            evaluation = evaluate(**common, iteration=0, model=model).after(ingested)
            evaluation.set_display_name("iteration-0/evaluate")
            iterated = loop(
                **common, partitions=partitions, questions=questions, held_out=held_out,
                model=model,
            ).after(validation)  # fmt: skip
            # `decide` compares with iteration 0 by the ledger, which no data edge shows.
            promote(**common).set_caching_options(False).after(iterated, evaluation)

    return judge_loop
