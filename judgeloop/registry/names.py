"""Derives names in MLflow from judgeloop's: legal everywhere, and distinct where those are.

MLflow takes other characters in names of registered models than in those of logged models, and
others again in names of metrics; categories of gold pairs are free text. A legal name is unchanged.
Any other gets a `_` for each refused character and the first digits of its own SHA-256, so that two
names which differ only in such characters stay distinct.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

MAX_KEY = 250
"""Characters of a metric's or parameter's name (MLflow's limit)."""
_DIGITS = 12
_DERIVED = re.compile(rf"-[0-9a-f]{{{_DIGITS}}}\Z")
"""Suffix of derived names. Given names with this suffix are derived too, so that none collide."""
_NOT_IN_MODELS = re.compile(r"[^\w-]")
"""Refused in names of logged models are `/ : . % " '` today, and MLflow's list has grown before."""
_NOT_IN_KEYS = re.compile(r"[^\w\-. /]")
"""Servers on Windows also refuse the colon."""
_NO_SEGMENT = re.compile(r"(?<![^/])(?:\.{1,2})?(?![^/])|\A\.\.")
"""Path segments that are not folder names: empty, `.` or `..`. MLflow treats any segment that
begins with `..` as the latter."""


def logged_model_name(model_name: str) -> str:
    """Returns the name of the logged models behind a registered model's versions."""
    return _derived(model_name, _NOT_IN_MODELS.sub("_", model_name))


def keys(names: Iterable[str]) -> dict[str, str]:
    """Returns distinct keys for names of metrics or parameters.

    They differ in more than case, accents and trailing white space, which MySQL's usual collations
    ignore.
    """
    found = {name: _key(name) for name in names}
    alike = defaultdict(list)
    for name, key in found.items():
        alike[_collated(key)].append(name)
    for group in alike.values():
        if len(group) > 1:
            found |= {name: _with_digest(name, found[name]) for name in group}
    return found


def _key(name: str) -> str:
    legal = _NO_SEGMENT.sub("_", _NOT_IN_KEYS.sub("_", name))
    return _derived(name, legal)


def _derived(name: str, legal: str) -> str:
    if legal == name and len(name) <= MAX_KEY and not _DERIVED.search(name):
        return name
    return _with_digest(name, legal)


def _with_digest(name: str, legal: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGITS]
    if legal.endswith(f"-{digest}"):
        return legal
    return f"{legal[: MAX_KEY - _DIGITS - 1]}-{digest}"


def _collated(key: str) -> str:
    plain = unicodedata.normalize("NFKD", key)
    return "".join(c for c in plain if not unicodedata.combining(c)).casefold().strip()
