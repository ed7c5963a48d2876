"""A self-improving judge of vision-language models, trained without human labels."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from judgeloop.judge import AnswerPair, Judge
    from judgeloop.method.judging.comparison import PairJudgement
    from judgeloop.method.judging.verdict import parse_verdict

__version__ = "0.1.0"
__all__ = ["AnswerPair", "Judge", "PairJudgement", "__version__", "parse_verdict"]

_MODULES = {
    "AnswerPair": "judgeloop.judge",
    "Judge": "judgeloop.judge",
    "PairJudgement": "judgeloop.method.judging.comparison",
    "parse_verdict": "judgeloop.method.judging.verdict",
}


def __getattr__(name: str) -> object:
    """Imports an exported name on first access, so that importing the package stays cheap."""
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
