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

    Part of the evaluate-only pipeline; the base is also asked, with each of
    `evaluation.base_prompts`. Its shards are those of `evaluate`: a loop and an evaluation of the
    same judge reuse each other's judgements. One task per partition, in parallel.

    Resumed: finished shards are found in the store; a killed task repeats at most those in flight.

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
