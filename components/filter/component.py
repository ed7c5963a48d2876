"""Selects the training examples."""

from typing import List  # noqa: UP035 (KFP reads artifact lists as typing.List)

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("filter"), install_kfp_package=False)
def filter(
    config: str,
    loop_id: str,
    iteration: int,
    pairs: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    judgements: dsl.Input[List[dsl.Dataset]],  # noqa: UP006
    examples: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """Keeps the judgements that agree with the known preference, as training examples.

    Joined by id, over all partitions. The counts of the manifest are the funnel: pairs, undecided,
    disagreeing, kept.

    Resumed: runs again, in seconds; a finished result is found in the store.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: From 1.
        pairs: Manifests of all partitions' pairs, joined to the judgements by id.
        judgements: Manifests of all partitions' judgements.

    Outputs:
        examples: Manifest of the examples, with the funnel's counts.
        metrics: The funnel's shares.
    """
    from judgeloop.runtime import tasks

    inputs = {"pairs": [p.path for p in pairs], "judgements": [j.path for j in judgements]}
    tasks.run("filter", config, loop_id, examples.path, iteration, **inputs)
    for name, value in tasks.metrics_of(examples.path).items():
        metrics.log_metric(name, value)
