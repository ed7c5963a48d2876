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
_DEGREE = re.compile(r"\^\s?\{?\s?\\circ\s?\}?|\\degree\b")
_WITHOUT_VALUE = re.compile(r"\\[()\[\]]|\\(?:displaystyle|left|right)\b(?![.<>])")
_EXPRESSION = re.compile(
    r"(?:\\(?:[dt]?frac|times|cdot|div)(?![a-z])|\\sqrt(?=\s?\{)"
    r"|\^\s?(?:\{\s?-?\s?(?:[12]?\d|30)\s?\}|(?:[12]?\d|30)(?!\d))"
    r"|\d{1,12}(?!\d)(?:\.\d{1,12}(?!\d))?|[-+*/(){}\s]){1,40}"
)
"""An exponent is a number of at most 30: as an expression it could take all memory."""
_NESTED = re.compile(r"(?:[^(){}]|[({](?:[^(){}]|[({][^(){}]*[)}])*[)}])*")
"""At most brackets within brackets."""


def unwrapped(text: str) -> str:
    r"""Takes off the signs of mathematics that change no number: `$`, `\text`, spacing, a box."""
    while match := _BOX.match(text):
        text = match[1]
    text = _TEXT.sub(r"\1", text)
    text = _SPACING.sub(" ", text.replace("{,}", ",").replace("\\%", "%").replace("\\$", "\0"))
    text = _DEGREE.sub("°", text)
    text = re.sub(r"\$([^$]{0,300})\$", r"\1", text)
    text = _WITHOUT_VALUE.sub("", text)
    return text.replace("\0", "$").strip()


def read_latex(text: str) -> Fraction | str | None:
    """Returns the value of an expression of numbers.

    Returns:
        A fraction; for an irrational value its exact form as text; None if the text is anything
        else, or too deep or too large to be worked out.
    """
    if "\\" not in text or text.count("^") > 1:
        return None
    if not (_EXPRESSION.fullmatch(text) and _NESTED.fullmatch(text)):
        return None
    try:
        value = _parser()(f"${text}$", parsing_timeout=None)[0].doit().nsimplify()
        if not value.is_real:
            return None
        return Fraction(int(value.p), int(value.q)) if value.is_Rational else str(value)
    except (ArithmeticError, AttributeError, IndexError, TypeError, ValueError, RecursionError):
        return None


@cache
def _parser() -> Any:
    # sympy takes a second to load, so only where there is LaTeX
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of the missing time limit
    from math_verify import parse

    return parse
