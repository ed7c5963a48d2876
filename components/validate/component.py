"""Scores a judge on held-out synthetic pairs."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("validate"), install_kfp_package=False)
def validate(
    config: str,
    loop_id: str,
    iteration: int,
    pairs: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    validation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    """Scores a judge on the validation pairs, for the stop rule and the choice of a version.

    No gold answers are used: these scores alone decide whether the loop continues and which version
    is its best.

    Resumed: finished shards are found in the store; a killed task repeats at most those in flight.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: 0 for the start model, else the iteration that trained the judge.
        pairs: Manifest written by `hold_out`.
        model: Manifest of the judge.

    Outputs:
        validation: Manifest of the item results.
        metrics: Accuracies with n, the undecided count and 95 % intervals.
    """
    from judgeloop.runtime import tasks

    inputs = {"pairs": pairs.path, "model": model.path}
    tasks.run("validate", config, loop_id, validation.path, iteration, **inputs)
    for name, value in tasks.metrics_of(validation.path).items():
        metrics.log_metric(name, value)
