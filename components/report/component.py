"""Writes the loop's report."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("report"), install_kfp_package=False)
def report(
    config: str, loop_id: str, status: dsl.PipelineTaskFinalStatus, page: dsl.Output[dsl.HTML]
):
    """Writes the loop's report when the run ends, however it ends.

    The exit handler: it runs when the loop succeeded and when it failed, and shows what there is.
    Cancelling a run in Kubeflow runs no exit handler.

    Resumed: runs again and replaces the report.

    Args:
        config: The configuration as JSON (`Config.to_json`).
        loop_id: Names the loop.
        status: How the run ended; Kubeflow Pipelines gives it to the exit handler.

    Outputs:
        page: The report, one HTML file that needs nothing else.
    """
    from judgeloop.runtime import tasks

    ended = f"{status.state}: {status.error_message}" if status.error_message else status.state
    tasks.report(config, loop_id, ended, page.path)
