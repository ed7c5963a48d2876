"""Names the model to start from."""

from kfp import dsl

from components.images import image


@dsl.component(base_image=image("cpu"), install_kfp_package=False)
def resolve(
    config: str,
    loop_id: str,
    inference_cpu: str,
    inference_memory: str,
    inference_gpus: int,
    training_cpu: str,
    training_memory: str,
    training_gpus: int,
    gpu_type: str,
    model: dsl.Output[dsl.Model],
):
    """Claims the loop id and names the model that the loop starts from.

    An alias such as `models:/judge@champion` becomes a version, and a local base gets a hash over
    its files, so that everything after it names exactly one model. Runs first: nothing is done
    under a loop id that another configuration holds. On a cluster it is the preflight too: it
    fails, with what to do, where the loop could not run, before anything asks for a GPU.

    Image: cpu. GPU: no.
    Caching: off, for an alias in the registry (`models:/name@alias`) may have moved since.
    Resumed: runs again; the loop id is refused where another configuration holds it, or where the
        start model is no longer the one that the loop began with.

    Args:
        config: The configuration as JSON (`Config.to_json`).
        loop_id: Names the loop; the same id with the same configuration goes on where it was.
        inference_cpu: Cores of a task that runs the model; this and the following are compared
            with the namespace's quota, and nothing else.
        inference_memory: Memory of a task that runs the model.
        inference_gpus: GPUs of a task that runs the model.
        training_cpu: Cores of a training task.
        training_memory: Memory of a training task.
        training_gpus: GPUs of a training task.
        gpu_type: The resource that counts GPUs.

    Outputs:
        model: Manifest with the start model's reference; no weights.
    """
    from judgeloop.runtime import tasks

    asked = {
        "inference": {"cpu": inference_cpu, "memory": inference_memory, gpu_type: inference_gpus},
        "training": {"cpu": training_cpu, "memory": training_memory, gpu_type: training_gpus},
    }
    tasks.resolve(config, loop_id, model.path, asked)
