"""The evaluate-only pipeline: any judge on the gold pairs and any benchmarks, without a loop.

```
resolve ─► for each partition: judge_sets ─► record
```

It takes a loop's configuration. The judge is `model.start` (a registered version) or else
`model.base` (hub id, folder), asked by `engine` (here, or at an endpoint); the sets are
`evaluation.gold` and `evaluation.benchmarks`; `loop.partitions` tasks share them.
"""

from typing import Any

from kfp import dsl

from components.judge_sets.component import judge_sets
from components.record.component import record
from components.resolve.component import resolve
from pipelines.iteration import PARALLEL_PARTITIONS
from pipelines.placement import Placement
from pipelines.watching import add_watch

NAME = "judge-evaluation"
"""The pipeline's name, one for all runs."""


def make_evaluation(partitions: int, placement: Placement) -> Any:
    """Builds the pipeline.

    Args:
        partitions: How many tasks share the sets.
        placement: Sets each task's resources on a cluster.
    """

    @dsl.pipeline(name=NAME, description="Evaluates a vision-language judge.")
    def judge_evaluation(config: str, loop_id: str):
        """Judges all sets and records the figures."""
        common = {"config": config, "loop_id": loop_id}
        add_watch(placement, common)
        resolved = placement.place(resolve(**common, needs=placement.profile.needs()))
        model = resolved.outputs["model"]
        with dsl.ParallelFor(
            list(range(partitions)), name="partitions", parallelism=PARALLEL_PARTITIONS
        ) as partition:
            judged = judge_sets(**common, partition=partition, model=model)
            placement.place(judged)
        placement.place(record(**common, model=model)).after(judged)

    return judge_evaluation
