"""Registers a version of the judge."""

from kfp import dsl

from components.images import stage_image


@dsl.component(base_image=stage_image("register"), install_kfp_package=False)
def register(
    config: str,
    loop_id: str,
    iteration: int,
    trained: dsl.Input[dsl.Model],
    validation: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Dataset],
    version: dsl.Output[dsl.Artifact],
):
    """Registers the trained judge in MLflow, with its adapter and its origin.

    The version holds the adapter, a small `judge.json` (model reference, hashes, configuration,
    manifests, metrics) and tags with loop id and iteration.

    Resumed: runs again; a version with the same content is found, not registered twice.

    Args:
        config: Reference to the configuration.
        loop_id: Names the loop.
        iteration: The iteration that trained the judge.
        trained: Manifest written by `train`.
        validation: Manifest written by `validate` for this judge.
        evaluation: Manifest written by `evaluate` for this judge.
        examples: Manifest of the examples that it was trained on.

    Outputs:
        version: Manifest with the registered version's number.
    """
    from judgeloop.runtime import tasks

    inputs = {
        "trained": trained.path, "validation": validation.path,
        "evaluation": evaluation.path, "examples": examples.path,
    }  # fmt: skip
    tasks.run("register", config, loop_id, version.path, iteration, **inputs)
