"""Writes the loop's report."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("report"), install_kfp_package=False)
def report(config: str, loop_id: str, run_id: str, page: dsl.Output[dsl.HTML]):
    """Writes the loop's report when a run ends, and starts the loop's next run if one is due.

    The exit handler: it runs when the run succeeded, failed or was cancelled, and reads how it
    ended from the loop's ledger, not from Kubeflow. The next run follows if this one has done
    its iterations and the loop is unfinished, or if a lost pod or a server error ended it
    (`loop.reruns`); never after a cancel, bad data or a wrong configuration.

    Resumed: runs again, replaces the report, and finds the next run by its name.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        run_id: Kubeflow's id of this run; the next one gets its pipeline version and experiment.

    Outputs:
        page: The report, one HTML file that needs nothing else.
    """
    from judgeloop.runtime import tasks

    try:
        tasks.report(config, loop_id, page.path)
    finally:
        tasks.go_on(config, loop_id, run_id)
