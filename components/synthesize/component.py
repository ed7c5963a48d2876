"""Makes preference pairs."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("synthesize"), install_kfp_package=False)
def synthesize(
    config: str,
    loop_id: str,
    iteration: int,
    partition: int,
    questions: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    pairs: dsl.Output[dsl.Dataset],
):
    """Makes the preference pairs of one partition: altered answers and majority votes.

    Open questions: an answer, and a copy with an error planted on purpose. Closed questions: the
    majority of many sampled answers against another candidate. No human answer is read. One task
    per partition, in parallel.

    Resumed: finished shards are found in the store; a killed task repeats at most those in flight.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: From 1.
        partition: Which part of the iteration's questions, from 0.
        questions: Manifest written by `ingest`.
        model: Manifest of the current judge; its base makes the pairs.

    Outputs:
        pairs: Manifest of the partition's pairs, with counts of dropped questions by reason.
    """
    from judgeloop.runtime import tasks

    inputs = {"questions": questions.path, "model": model.path}
    tasks.run("synthesize", config, loop_id, pairs.path, iteration, partition, **inputs)
