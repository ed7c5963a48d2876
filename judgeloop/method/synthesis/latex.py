r"""Reads numbers in LaTeX, such as `\frac{1}{2}` or `3 \times 10^{4}`, with `math-verify`.

`math-verify` takes hours for some texts (nested brackets) and finds numbers in others that say
another one (`1.5 million`), so it only gets what is nothing but a short expression of numbers.
"""

from __future__ import annotations

import logging
import re
from fractions import Fraction
from functools import cache
from typing import Any

_TEXT = re.compile(
    r"\\(?:text|textbf|textit|mathrm|mathbf|mathsf|mbox|operatorname)\s?\{([^{}]{0,200})\}"
)
_BOX = re.compile(r"^\s*\\(?:boxed|fbox)\s?\{(.*)\}\s*$", re.DOTALL)
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad\b")
_EXPRESSION = re.compile(
    r"(?:\\(?:[dt]?frac|sqrt|times|cdot|div|left|right)(?![a-z])|\d{1,12}(?:\.\d{1,12})?|[-+*/^(){}\s]){1,40}"
)
_POWER = re.compile(r"\^\s*\{?\s*-?\s*(\d+)")
MAX_DEPTH = 2
"""Brackets within brackets."""
MAX_EXPONENT = 30


def unwrapped(text: str) -> str:
    r"""Takes off the signs of mathematics that change no number: `$`, `\text`, spacing, a box."""
    for _ in range(2):
        if match := _BOX.match(text):
            text = match[1]
    text = _TEXT.sub(r"\1", text)
    text = _SPACING.sub(" ", text.replace("{,}", ",").replace("\\%", "%").replace("\\$", "\0"))
    text = re.sub(r"\^\s?\{?\s?\\circ\s?\}?|\\degree\b", "°", text)
    text = re.sub(r"\$([^$]{0,300})\$", r"\1", text)
    text = re.sub(r"\\[()\[\]]|\\(?:displaystyle|left|right)\b(?![.<>])", "", text)
    return text.replace("\0", "$").strip()


def read_latex(text: str) -> Fraction | str | None:
    """Returns the value of an expression of numbers.

    Returns:
        A fraction; for an irrational value its exact form as text; None if the text is anything
        else, or too deep or too large to be worked out.
    """
    if "\\" not in text or not _EXPRESSION.fullmatch(text) or _depth(text) > MAX_DEPTH:
        return None
    powers = [int(power) for power in _POWER.findall(text)]
    if len(powers) > 1 or any(power > MAX_EXPONENT for power in powers) or text.count("^") > 1:
        return None
    try:
        found = _parser()(f"${text}$", parsing_timeout=None, fallback_mode="no_fallback")
        value = found[0].doit().nsimplify() if found else None
    except (ArithmeticError, AttributeError, TypeError, ValueError, RecursionError):
        return None
    if value is None or value.is_number is not True or value.is_real is not True:
        return None
    return Fraction(int(value.p), int(value.q)) if value.is_Rational else str(value)


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char in "({") - (char in ")}")
        deepest = max(deepest, depth)
    return deepest if depth == 0 else MAX_DEPTH + 1


@cache
def _parser() -> Any:
    # sympy takes a second to load, so only where there is LaTeX
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of the missing time limit
    from math_verify import parse

    return parse
