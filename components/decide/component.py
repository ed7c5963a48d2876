"""The gate between one iteration and the next."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("decide"), install_kfp_package=False)
def decide(config: str, loop_id: str, iteration: int, validation: dsl.Input[dsl.Artifact]) -> str:
    """Decides whether another iteration follows, from the validation scores so far.

    The second gate of an iteration: stops at the configured bound, or when validation has not risen
    for `loop.patience` iterations. The reason is in the ledger and in the report. If it returns
    `continue` and the compiled pipeline has no further iteration, the report says so.

    Resumed: runs again, instantly; the same scores give the same decision.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: The iteration that has just been validated.
        validation: Manifest written by `validate` for it.

    Outputs:
        Output: `continue` or `stop`.
    """
    from judgeloop.runtime import tasks

    return tasks.decide(config, loop_id, iteration, validation.path)
