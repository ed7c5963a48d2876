"""Completes an evaluation and records its figures."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("record"), install_kfp_package=False)
def record(
    config: str,
    loop_id: str,
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    """Completes the scores of an evaluation, and records them in MLflow, on the version if any.

    Part of the evaluate-only pipeline, after all shares are judged: no model runs. Writes a page, a
    table and a summary into the store.

    Resumed: runs again, in seconds; recording the same figures twice changes nothing.

    Args:
        config: Reference to the configuration.
        loop_id: Names the evaluation; begins with `evaluation-`.
        model: Manifest of the judge.

    Outputs:
        evaluation: Manifest with the scores on the gold pairs and on every further set.
        metrics: Accuracies with n, the undecided count and 95 % intervals.
    """
    from judgeloop.runtime import tasks

    tasks.run("record", config, loop_id, evaluation.path, model=model.path)
    for name, value in tasks.metrics_of(evaluation.path).items():
        metrics.log_metric(name, value)
