"""Unknown fields of a data row: passed through, within limits."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from judgeloop.schema.errors import DataError

MAX_BYTES = 20_000
"""Limit of a row's further fields, as JSON."""
MAX_FIELDS = 100
MAX_DEPTH = 20
"""Limit of the nesting of lists and objects."""


def further_fields(
    fields: dict[str, Any], known: type[msgspec.Struct]
) -> dict[str, Any] | msgspec.UnsetType:
    """Returns what a row has beyond its known fields, with what its field `meta` holds.

    Args:
        fields: The row as parsed.
        known: The class that names the known fields, `meta` among them.

    Returns:
        The fields in their order; unset where there are none.

    Raises:
        DataError: They are too many, too large or too deep, or not JSON.
    """
    names = {field.encode_name for field in msgspec.structs.fields(known)}
    result = dict(fields.get("meta") or {})
    result |= {name: value for name, value in fields.items() if name not in names}
    if not result:
        return msgspec.UNSET
    if len(result) > MAX_FIELDS:
        raise DataError(f"it has {len(result)} further fields, the limit is {MAX_FIELDS}")
    _check(result, 0)
    size = len(msgspec.json.encode(result))
    if size > MAX_BYTES:
        raise DataError(f"its further fields have {size} bytes, the limit is {MAX_BYTES}")
    return result


def _check(value: Any, depth: int) -> None:
    """Refuses what nests too deep, and numbers that JSON does not have."""
    if depth > MAX_DEPTH:
        raise DataError(f"a further field is nested deeper than {MAX_DEPTH}")
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"a further field holds {value}, which is no JSON number")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
