"""Which container image a component runs in: one table, by role.

Images are chosen when the pipeline is compiled. `JUDGELOOP_IMAGE_CPU` and `JUDGELOOP_IMAGE_GPU`
replace the table's entries; use tags that never move (a commit or a digest), for the image's name
is part of the cache key of Kubeflow Pipelines.
"""

import os

# The CPU image runs every task, the models' too: a cluster with GPUs names its own for that role.
IMAGES = {"cpu": "judgeloop-cpu:dev", "gpu": "judgeloop-cpu:dev"}


def image(role: str) -> str:
    """Returns the image reference of a role.

    Args:
        role: `cpu` (no model runs in the task) or `gpu` (the model runs or trains in it).

    Raises:
        KeyError: There is no such role.
    """
    return os.environ.get(f"JUDGELOOP_IMAGE_{role.upper()}") or IMAGES[role]
