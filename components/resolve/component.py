"""Resolves the model to start from."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("resolve"), install_kfp_package=False)
def resolve(
    config: str,
    loop_id: str,
    needs: dict,
    model: dsl.Output[dsl.Model],
    current: dsl.Output[dsl.Model],
):
    """Claims the loop id and resolves the model that the loop starts from.

    An alias such as `models:/judge@champion` becomes a version, and a local base gets a hash over
    its files, so that everything after it refers to exactly one model. Runs first: nothing is done
    under a loop id that belongs to another configuration. On a cluster it is also the preflight: if
    the loop could not run, it fails with what to do, before any GPU is requested.

    Resumed: runs again; the loop id is refused if it belongs to another configuration, or if the
        start model is no longer the one that the loop began with.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop; the same id with the same configuration resumes the loop.
        needs: What the tasks need of the namespace: sizes, claim, names of Secrets, nodes.

    Outputs:
        model: Manifest with the start model's reference; no weights.
        current: The same for the judge with which this run's first iteration begins: the judge that
            the loop's previous run trained, else the start model.
    """
    from judgeloop.runtime import tasks

    tasks.resolve(config, loop_id, model.path, current.path, needs)
