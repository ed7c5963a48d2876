"""The checkpoints of a training in the store, from which an interrupted training resumes.

They are stored below the content key of the training, so no other training uses them. They only
save time and do not affect results: if one cannot be stored or read, training continues without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from judgeloop.schema.errors import StoreError
from judgeloop.store import Store
from judgeloop.store.folders import CHECKSUMS, download_folder, upload_folder

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one training.

    Args:
        store: Store of the checkpoints.
        folder: The training's folder in the store, such as `train/<key>`.
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._store = store
        self._folder = f"{folder}/checkpoints"
        self._used = False

    def fetch_newest(self, folder: Path) -> Path | None:
        """Copies the newest complete checkpoint to the local disk.

        Args:
            folder: Local folder for checkpoints.

        Returns:
            The checkpoint's folder; None if there is none.

        Raises:
            StoreError: The store cannot be listed.
        """
        for step in reversed(self._steps()):
            self._used = True
            try:
                download_folder(self._store, f"{self._folder}/{step}", folder / step)
            except StoreError as error:
                logger.warning("checkpoint at step %d is not used: %s", int(step), error)
                continue
            logger.info("training resumes from the checkpoint at step %d", int(step))
            return folder / step
        return None

    def store(self, checkpoint: Path) -> None:
        """Stores a checkpoint, then removes the older ones.

        Args:
            checkpoint: A folder named by its step.
        """
        self._used = True
        try:
            older = self._keys()
            upload_folder(self._store, checkpoint, f"{self._folder}/{checkpoint.name}")
            self._remove(key for key in older if _step_of(key) != checkpoint.name)
        except StoreError as error:
            logger.warning(
                "the checkpoint at step %d could not be stored, training continues: %s",
                int(checkpoint.name),
                error,
            )

    def clear(self) -> None:
        """Removes all checkpoints, if this training stored or found any."""
        if not self._used:
            return
        try:
            self._remove(self._keys())
        except StoreError as error:
            logger.warning("old checkpoints are left for `judgeloop clean`: %s", error)

    def _steps(self) -> list[str]:
        """Returns the names of the complete checkpoints, the oldest first."""
        return [_step_of(key) for key in self._keys() if key.endswith(f"/{CHECKSUMS}")]

    def _keys(self) -> list[str]:
        return sorted(self._store.list(f"{self._folder}/"))

    def _remove(self, keys: Iterable[str]) -> None:
        """Removes the completion markers first, so that a half-deleted checkpoint is never read."""
        for key in sorted(keys, key=lambda key: not key.endswith(f"/{CHECKSUMS}")):
            self._store.delete(key)


def _step_of(key: str) -> str:
    return key.split("/")[-2]
