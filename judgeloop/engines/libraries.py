"""Imports the libraries of the engine `transformers` without parts that inference never needs."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from types import ModuleType

from judgeloop.schema.engine_section import EngineSection

_TRAINING_ONLY = ("scipy",)
"""Packages that Transformers imports if installed, only for the losses of object detectors."""
_SHARED_NAMES = ("flash_attn",)
"""Packages provided by several distributions, one of which has the package's name."""


def warm_up(asked: EngineSection | str | None) -> None:
    """Imports what a judge's engine will need, where that is known before the judge is resolved.

    It runs while the judge is downloaded; a missing package is reported when the judge is loaded.

    Args:
        asked: As `judgeloop.engines.fit.choose_engine` takes it.
    """
    kind = asked.kind if isinstance(asked, EngineSection) else asked
    if kind not in (None, "transformers"):
        return
    with suppress(ImportError):
        transformers = import_transformers()
        _ = transformers.AutoProcessor, transformers.AutoModelForImageTextToText
        import peft  # noqa: F401


def import_transformers() -> ModuleType:
    """Imports Transformers in about two thirds of the time of a plain import.

    Raises:
        ImportError: It is not installed, or lacks a package.
    """
    if "transformers" not in sys.modules:
        with _quick_versions(), _hidden(_TRAINING_ONLY):
            import transformers.modeling_utils  # noqa: F401
    return sys.modules["transformers"]


class _Distributions(Mapping[str, list[str]]):
    """The distributions that bring each package, as `packages_distributions` returns them.

    That function reads the file list of every installed distribution, and Transformers needs a few.
    """

    def __getitem__(self, package: str) -> list[str]:
        if package not in _SHARED_NAMES:
            with suppress(importlib.metadata.PackageNotFoundError):
                return [importlib.metadata.distribution(package).name]
        return self._all[package]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _all(self) -> Mapping[str, list[str]]:
        return _packages_distributions()


_packages_distributions = importlib.metadata.packages_distributions


@contextmanager
def _quick_versions() -> Iterator[None]:
    """Makes `packages_distributions` look up only the requested packages within the block."""
    importlib.metadata.packages_distributions = _Distributions
    try:
        yield
    finally:
        importlib.metadata.packages_distributions = _packages_distributions


@contextmanager
def _hidden(packages: tuple[str, ...]) -> Iterator[None]:
    """Hides packages that are not imported yet, so that they seem not installed in the block."""
    hidden = [name for name in packages if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: there is no such module
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
