"""Fine-tunes the judge."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("train"), install_kfp_package=False)
def train(
    config: str,
    loop_id: str,
    iteration: int,
    examples: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    trained: dsl.Output[dsl.Model],
):
    """Fine-tunes the judge on its own kept judgements; the adapter goes to the store.

    LoRA with TRL and PEFT, loss on the judgement only, in a child process. The adapter
    goes to the store; the manifest carries its reference.

    Resumed: a finished adapter is found in the store, else training resumes from its newest
    checkpoint.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: From 1.
        examples: Manifest written by `filter`.
        model: Manifest of the current judge; `training.start` selects whether to continue from it
            or from its base.

    Outputs:
        trained: Manifest with the new judge's reference; no weights.
    """
    from judgeloop.runtime import tasks

    inputs = {"examples": examples.path, "model": model.path}
    tasks.run("train", config, loop_id, trained.path, iteration, **inputs)
