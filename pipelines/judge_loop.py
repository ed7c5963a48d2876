"""The loop: a bounded unroll of iterations, each behind the gate of the one before.

```
run (exit handler: report)
├── watch, in parallel to all others; only on a cluster
├── resolve ─► ingest ─► hold-out ─► validate, and evaluate: the start model's scores
├── loop
│   └── for each partition: synthesize ─► judge;  filter ─► enough
│       └── if train: train ─► validate, evaluate ─► register;  decide
│           └── if continue: the next iteration
└── promote, whichever gate stopped the loop
```

Reasons for this structure (KFP 2.17): there is no while-loop, so the bound is fixed when compiling
and `decide` stops earlier. Gates have one output, since a condition on a named output is false when
run locally. A loop's body gets no parameter of a task outside, which locally would be replaced by
the loop item. Nothing leaves an `If`: `promote` reads the ledger. `loop` is a sub-pipeline so that
`promote` can wait for it, whichever gate stopped it.
"""

from typing import Any

from kfp import dsl

from components.evaluate.component import evaluate
from components.hold_out.component import hold_out
from components.ingest.component import ingest
from components.promote.component import promote
from components.report.component import report
from components.resolve.component import resolve
from components.validate.component import validate
from pipelines.iteration import add_gather, add_learn
from pipelines.placement import Placement
from pipelines.watching import add_watch

NAME = "judge-loop"
"""The pipeline's name, one for all runs."""
Component = dsl.base_component.BaseComponent


def make_loop(bound: int, partitions: int, placement: Placement) -> Component:
    """Builds the sub-pipeline of `bound` iterations, each inside the gate of the one before."""

    @dsl.pipeline(name="loop")
    def loop(
        config: str,
        loop_id: str,
        questions: dsl.Input[dsl.Dataset],
        held_out: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ):
        """Runs the iterations."""

        def step(iteration: int, model: Any) -> None:
            common = {"config": config, "loop_id": loop_id, "iteration": iteration}
            examples, supply = add_gather(placement, common, partitions, questions, model)
            with dsl.If(supply.output == "train", name=f"iteration-{iteration}-train"):
                trained, decision = add_learn(placement, common, examples, held_out, model)
                if iteration == bound:
                    return
                with dsl.If(decision.output == "continue", name=f"iteration-{iteration}-continue"):
                    step(iteration + 1, trained)

        step(1, model)

    return loop


def make_pipeline(iterations: int, partitions: int, placement: Placement) -> Component:
    """Builds the whole pipeline.

    Args:
        iterations: Maximum of one run; an unfinished loop continues in another run.
        partitions: How many tasks share the questions of an iteration.
        placement: Sets each task's resources on a cluster.
    """
    loop = make_loop(iterations, partitions, placement)

    @dsl.pipeline(name=NAME, description="A vision-language judge that trains itself.")
    def judge_loop(config: str, loop_id: str):
        """Runs the loop and reports on it."""
        common = {"config": config, "loop_id": loop_id}
        last = report(**common, run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
        with dsl.ExitHandler(placement.place(last), name="run"):
            add_watch(placement, common)
            resolved = placement.place(resolve(**common, needs=placement.profile.needs()))
            model = resolved.outputs["model"]
            # `resolve` claims the loop id, so nothing is done for an id that another loop holds.
            ingested = placement.place(ingest(**common)).after(resolved)
            questions = ingested.outputs["questions"]
            made = placement.place(hold_out(**common, questions=questions, model=model))
            held_out = made.outputs["pairs"]
            validated = validate(**common, iteration=0, pairs=held_out, model=model)
            start = placement.place(validated)
            # Not before the questions have been checked: this may take long.
            scored = evaluate(**common, iteration=0, model=model).after(ingested)
            measured = placement.place(scored)
            current = resolved.outputs["current"]
            iterated = loop(**common, questions=questions, held_out=held_out, model=current)
            # `decide` and `promote` compare with iteration 0 by the ledger: no data edge shows it.
            iterated.after(start)
            placement.place(promote(**common)).after(iterated, measured)

    return judge_loop
