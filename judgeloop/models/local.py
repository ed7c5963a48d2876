"""A model as local paths, as engines and training get it from a `ModelRef`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Self

from judgeloop.schema.records import ModelRef


class LocalModel:
    """A base and an adapter, resolved to local paths (`judgeloop.models.fetch`).

    It owns the folder of a downloaded adapter: use it in a `with` block, or `close` it.

    Args:
        reference: The resolved reference; messages use its names.
        base: Argument of `from_pretrained`, a local folder or a hub id; or a scripted name.
        adapter: Local PEFT folder; None is the base alone.
        scratch: Folder of files downloaded for this model alone.
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
