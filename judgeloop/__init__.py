"""A self-improving judge of vision-language models, trained without human labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judgeloop.method.judging.verdict import parse_verdict

__version__ = "0.1.0"
__all__ = ["__version__", "parse_verdict"]


def __getattr__(name: str) -> object:
    """Loads what the package offers where it is asked for, so that importing it costs nothing."""
    if name == "parse_verdict":
        from judgeloop.method.judging.verdict import parse_verdict

        return parse_verdict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
