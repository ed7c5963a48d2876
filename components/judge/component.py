"""Judges pairs in both orders."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("judge"), install_kfp_package=False)
def judge(
    config: str,
    loop_id: str,
    iteration: int,
    partition: int,
    pairs: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    judgements: dsl.Output[dsl.Dataset],
):
    """Judges every pair of one partition in both orders and keeps the reasoning and the verdict.

    Judging in both orders reveals position bias. A text without a clear verdict is undecided. One
    task per partition, in parallel.

    Resumed: finished shards are found in the store; a killed task repeats at most those in flight.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: From 1.
        partition: Which part, from 0.
        pairs: Manifest written by `synthesize` for the same partition.
        model: Manifest of the current judge.

    Outputs:
        judgements: Manifest of the partition's judgements, undecided ones counted.
    """
    from judgeloop.runtime import tasks

    inputs = {"pairs": pairs.path, "model": model.path}
    tasks.run("judge", config, loop_id, judgements.path, iteration, partition, **inputs)
