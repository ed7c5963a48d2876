"""Watches the other tasks of a run."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("watch"), install_kfp_package=False)
def watch(config: str, loop_id: str, run_id: str, start_within_s: int):
    """Ends the run if one of its tasks waits too long to start.

    Runs in parallel to the others on a cluster, in one small pod: Kubernetes never gives up on a
    pod without a node, an image, a bound claim or a Secret, nor Argo on one that is refused. It
    reads the run's pods, and Argo's Workflow if permitted; the reason is recorded in the ledger as
    a failure that another run would repeat, then the run is terminated. A wait for room that other
    tasks of the run hold counts from when they end. It ends with the run's last task, and never
    fails: without the permission to list pods it says so, and `FOLLOW=1` does the same from
    outside.

    Resumed: watches again; earlier waits count by the pod's age.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        run_id: Kubeflow's id of this run.
        start_within_s: Seconds that a task may wait for its node, image, claim and Secrets.
    """
    from judgeloop.runtime import tasks

    tasks.watch(config, loop_id, run_id, start_within_s)
