"""Makes the validation pairs."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("hold_out"), install_kfp_package=False)
def hold_out(
    config: str,
    loop_id: str,
    questions: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    pairs: dsl.Output[dsl.Dataset],
):
    """Makes preference pairs from the held-out images, once per loop; never used for training.

    All iterations are measured on the same pairs, which are made like the training pairs, from
    images that no training pair shows.

    Resumed: finished shards are found in the store by their content key. A loop that began with
        other validation pairs (other software or prompts) is refused: use another loop id.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        questions: Manifest written by `ingest`.
        model: Manifest of the start model; its base makes the pairs.

    Outputs:
        pairs: Manifest of the validation pairs.
    """
    from judgeloop.runtime import tasks

    tasks.run("hold_out", config, loop_id, pairs.path, questions=questions.path, model=model.path)
