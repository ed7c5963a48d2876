"""Scores a judge on gold pairs."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("evaluate"), install_kfp_package=False)
def evaluate(
    config: str,
    loop_id: str,
    iteration: int,
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    """Scores a judge on gold pairs, for reports and the promotion gate; never used for training.

    The only stage that reads gold answers. Gold rows that cannot be used are counted in the report.
    Its scores go to the report and to the promotion gate, never back into the loop.

    Resumed: finished shards are found in the store; a killed task repeats at most those in flight.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: 0 for the start model, else the iteration that trained the judge.
        model: Manifest of the judge.

    Outputs:
        evaluation: Manifest of the item results.
        metrics: Accuracies with n, the undecided count and 95 % intervals.
    """
    from judgeloop.runtime import tasks

    tasks.run("evaluate", config, loop_id, evaluation.path, iteration, model=model.path)
    for name, value in tasks.metrics_of(evaluation.path).items():
        metrics.log_metric(name, value)
