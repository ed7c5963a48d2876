"""The loop: a bounded unroll of iterations, each behind the gate of the one before.

```
run (exit handler: report)
├── resolve ─► ingest ─► start, baseline
├── loop
│   └── iteration-1/gather ─► enough ─► if train: learn ─► decide ─► if continue: iteration-2/...
└── promote, whichever gate stopped the loop

start  = hold-out ─► iteration-0/validate;   baseline = iteration-0/evaluate
gather = for each partition: synthesize ─► judge;   then filter
learn  = train ─► validate, evaluate ─► register
```

Why it is cut like this (KFP 2.17): there is no while-loop, so the bound is fixed when compiling and
`decide` stops earlier. Gates have one output, for a condition on a named output is false when run
locally. What a loop body needs comes in as its sub-pipeline's inputs, since an outer task's
parameter would be replaced by the loop item. Nothing leaves an `If`: `promote` reads the ledger.
"""

from typing import Any, Dict, List  # noqa: UP035 (KFP reads typing.Dict and typing.List)

from kfp import dsl

from components.decide.component import decide
from components.enough.component import enough
from components.ingest.component import ingest
from components.promote.component import promote
from components.report.component import report
from components.resolve.component import resolve
from pipelines.iteration import Component, make_baseline, make_gather, make_learn, make_start
from pipelines.placement import Placement

INFERENCE_SIZES = (
    "inference_cpu", "inference_memory", "inference_gpus", "node_selector", "tolerations",
)  # fmt: skip
TRAINING_SIZES = ("training_cpu", "training_memory", "training_gpus")
NAME = "judge-loop"
"""The pipeline's name: one for all runs, for the cache of Kubeflow Pipelines is kept by name."""


def make_loop(bound: int, placement: Placement) -> Component:
    """Makes the sub-pipeline of `bound` iterations, each inside the gate of the one before."""
    gather, learn = make_gather(placement), make_learn(placement)

    def step(iteration: int, model: Any, given: dict[str, Any]) -> None:
        here = {"config": given["config"], "loop_id": given["loop_id"], "iteration": iteration}
        inference = {name: given[name] for name in INFERENCE_SIZES}
        training = {name: given[name] for name in TRAINING_SIZES}
        name = f"iteration-{iteration}"
        examples = gather(
            **here, **inference, partitions=given["partitions"], questions=given["questions"],
            model=model,
        )  # fmt: skip
        examples.set_display_name(f"{name}/gather")
        supply = placement.place(enough(**here, examples=examples.output))
        supply.set_display_name(f"{name}/enough")
        with dsl.If(supply.output == "train", name=f"{name}-train"):
            learned = learn(
                **here, **inference, **training, examples=examples.output,
                held_out=given["held_out"], model=model,
            )  # fmt: skip
            learned.set_display_name(f"{name}/learn")
            decision = placement.place(decide(**here, validation=learned.outputs["validation"]))
            decision.set_display_name(f"{name}/decide")
            if iteration == bound:
                return
            with dsl.If(decision.output == "continue", name=f"{name}-continue"):
                step(iteration + 1, learned.outputs["model"], given)

    @dsl.pipeline(name="loop")
    def loop(
        config: str,
        loop_id: str,
        partitions: List[int],  # noqa: UP006
        inference_cpu: str,
        inference_memory: str,
        inference_gpus: int,
        training_cpu: str,
        training_memory: str,
        training_gpus: int,
        node_selector: Dict[str, str],  # noqa: UP006
        tolerations: List[dict],  # noqa: UP006
        questions: dsl.Input[dsl.Dataset],
        held_out: dsl.Input[dsl.Dataset],
        model: dsl.Input[dsl.Model],
    ):
        """Runs the iterations."""
        step(1, model, {
            "config": config, "loop_id": loop_id, "partitions": partitions,
            "questions": questions, "held_out": held_out,
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "training_cpu": training_cpu,
            "training_memory": training_memory, "training_gpus": training_gpus,
            "node_selector": node_selector, "tolerations": tolerations,
        })  # fmt: skip

    return loop


def make_pipeline(iterations: int, partitions: int, placement: Placement) -> Component:
    """Makes the whole pipeline.

    Args:
        iterations: The bound of the loop; `loop.iterations` of the configuration may be lower.
        partitions: Default of the parameter `partitions`: 0, 1, ... so many.
        placement: Gives each task what it asks of a cluster; its profile's sizes are the defaults
            of the size parameters.
    """
    loop, start, baseline = (
        make_loop(iterations, placement),
        make_start(placement),
        make_baseline(placement),
    )
    profile = placement.profile

    @dsl.pipeline(name=NAME, description="A vision-language judge that trains itself.")
    def judge_loop(
        config: str,
        loop_id: str,
        partitions: List[int] = list(range(partitions)),  # noqa: B006, UP006
        inference_cpu: str = profile.inference.cpu,
        inference_memory: str = profile.inference.memory,
        inference_gpus: int = profile.inference.gpus,
        training_cpu: str = profile.training.cpu,
        training_memory: str = profile.training.memory,
        training_gpus: int = profile.training.gpus,
        node_selector: Dict[str, str] = profile.arguments()["node_selector"],  # noqa: B008, UP006
        tolerations: List[dict] = profile.arguments()["tolerations"],  # noqa: B008, UP006
    ):
        """Runs the loop and reports on it."""
        common = {"config": config, "loop_id": loop_id}
        inference = {
            "inference_cpu": inference_cpu, "inference_memory": inference_memory,
            "inference_gpus": inference_gpus, "node_selector": node_selector,
            "tolerations": tolerations,
        }  # fmt: skip
        with dsl.ExitHandler(placement.place(report(**common)), name="run"):
            resolved = placement.place(resolve(
                **common, inference_cpu=inference_cpu, inference_memory=inference_memory,
                inference_gpus=inference_gpus, training_cpu=training_cpu,
                training_memory=training_memory, training_gpus=training_gpus,
                gpu_type=profile.gpu_type,
            ))  # fmt: skip
            model = resolved.outputs["model"]
            # `resolve` claims the loop id, so nothing is done for an id that another loop holds.
            ingested = placement.place(ingest(**common)).after(resolved)
            questions = ingested.outputs["questions"]
            held_out = start(**common, **inference, questions=questions, model=model)
            # Not before the questions are known to be sound: this may take long.
            measured = baseline(**common, **inference, model=model).after(ingested)
            iterated = loop(
                **common, **inference, partitions=partitions, training_cpu=training_cpu,
                training_memory=training_memory, training_gpus=training_gpus,
                questions=questions, held_out=held_out.output, model=model,
            )  # fmt: skip
            # `decide` compares with iteration 0 by the ledger, which no data edge shows.
            placement.place(promote(**common)).after(iterated, measured)

    return judge_loop
