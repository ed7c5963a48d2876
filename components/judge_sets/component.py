"""Judges a share of an evaluation's sets."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("judge_sets"), install_kfp_package=False)
def judge_sets(
    config: str,
    loop_id: str,
    partition: int,
    model: dsl.Input[dsl.Model],
    judged: dsl.Output[dsl.Artifact],
):
    """Judges one partition's share of the gold pairs and of every set of `evaluation.benchmarks`.

    Of the evaluate-only pipeline; it judges by the base too, under each of
    `evaluation.base_prompts`. Its shards are those of `evaluate`: what a loop has judged with the
    same judge is found, and the other way round. One task a partition, in parallel.

    Resumed: finished shards are found in the store; a killed task repeats those in flight at most.

    Args:
        config: Reference to the configuration.
        loop_id: Names the evaluation; begins with `evaluation-`.
        partition: Which share, from 0.
        model: Manifest of the judge.

    Outputs:
        judged: Manifest with the counts of the share.
    """
    from judgeloop.runtime import tasks

    tasks.run("judge_sets", config, loop_id, judged.path, None, partition, model=model.path)
