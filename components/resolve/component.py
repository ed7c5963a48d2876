"""Names the model to start from."""

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
    """Claims the loop id and names the model that the loop starts from.

    An alias such as `models:/judge@champion` becomes a version, and a local base gets a hash over
    its files, so that everything after it names exactly one model. Runs first: nothing is done
    under a loop id that another configuration holds. On a cluster it is the preflight too: it
    fails, with what to do, where the loop could not run, before anything asks for a GPU.

    Resumed: runs again; the loop id is refused where another configuration holds it, or where the
        start model is no longer the one that the loop began with.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop; the same id with the same configuration goes on where it was.
        needs: What the tasks need of the namespace: sizes, claim, names of Secrets, nodes.

    Outputs:
        model: Manifest with the start model's reference; no weights.
        current: The same of the judge that this run's first iteration begins with: what the loop's
            run before it has trained, else the start model.
    """
    from judgeloop.runtime import tasks

    tasks.resolve(config, loop_id, model.path, current.path, needs)
