"""The gate between filtering and training."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("enough"), install_kfp_package=False)
def enough(config: str, loop_id: str, iteration: int, examples: dsl.Input[dsl.Dataset]) -> str:
    """Decides whether filtering left enough examples to train on.

    The first of the two gates of an iteration. One return value, since a condition on a named
    output is always false in KFP's local runner.

    Resumed: runs again, instantly; it decides from the manifest alone.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: From 1.
        examples: Manifest written by `filter`.

    Outputs:
        Output: `train`, or `starved`: the loop ends and the report shows the funnel.

    Raises:
        StarvedError: In the first iteration, where there is no trained judge to end with; exit
            code 4.
    """
    from judgeloop.runtime import tasks

    return tasks.enough(config, loop_id, iteration, examples.path)
