"""A model as local paths: what engines and training are given of a `ModelRef`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Self

from judgeloop.schema.records import ModelRef


class LocalModel:
    """A base and an adapter that were resolved once (`judgeloop.models.fetch`).

    It owns the folder of a downloaded adapter: use it in a `with` block, or `close` it.

    Args:
        reference: What was resolved; its names stand in messages.
        base: What `from_pretrained` takes: a local folder or a hub id; or a scripted name.
        adapter: Local PEFT folder; None is the base alone.
        scratch: Folder of what was downloaded for this model alone.
    """

    def __init__(
        self,
        reference: ModelRef,
        base: str,
        adapter: Path | None = None,
        scratch: tempfile.TemporaryDirectory[str] | None = None,
    ) -> None:
        self.reference = reference
        self.base = base
        self.adapter = adapter
        self._scratch = scratch

    def close(self) -> None:
        """Removes a downloaded adapter; the paths cannot be used afterwards."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
