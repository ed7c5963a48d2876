"""Which container image a component runs in, by role, chosen when the pipeline is compiled.

The first of these that names the role: the variables `JUDGELOOP_IMAGE_CPU` and
`JUDGELOOP_IMAGE_GPU`; `images/images.lock`, written when images are pushed, one line per role:

    cpu = "registry.example/judgeloop-cpu@sha256:<64 hexadecimal digits>"

else a tag that exists on no registry, with which a pipeline compiles for this machine only. Digests
are used because an image's name is part of the cache key of Kubeflow Pipelines and a tag can move.
"""

import os
import tomllib
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "images" / "images.lock"
UNPINNED = {"cpu": "judgeloop-cpu:dev", "gpu": "judgeloop-gpu:dev"}


def stage_image(stage: str) -> str:
    """Returns the image reference of a stage, as the table of stages says.

    Raises:
        KeyError: The table has no such stage.
        ValueError: The lock is not TOML.
    """
    from judgeloop.runtime.stage_table import stage_spec

    return image(stage_spec(stage).image)


def image(role: str, lock: Path = LOCK) -> str:
    """Returns the image reference of a role.

    Args:
        role: `cpu` (no model runs in the task) or `gpu` (the model runs or trains in it).
        lock: The digests of the images that were pushed; it need not exist.

    Raises:
        KeyError: There is no such role.
        ValueError: The lock is not TOML.
    """
    locked = tomllib.loads(lock.read_text(encoding="utf-8")) if lock.exists() else {}
    return os.environ.get(f"JUDGELOOP_IMAGE_{role.upper()}") or locked.get(role) or UNPINNED[role]
