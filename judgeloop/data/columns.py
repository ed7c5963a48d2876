"""Rows whose fields have other names: a mapping of our fields to theirs, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgeloop.schema.errors import DataError


def renamed(fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Returns a row under our names; what is not mapped keeps its own.

    A number as `id` becomes a text, and a single image a list of one. A column that one of our
    fields had by name and that is mapped from elsewhere is left out.

    Args:
        fields: The row.
        columns: By our field, the column that holds it.

    Raises:
        DataError: The row lacks a mapped column.
    """
    for field, column in columns.items():
        if column not in fields:
            raise DataError(
                f"the row has no column `{column}`, which data.columns maps to `{field}`; it has "
                f"{', '.join(fields)}"
            )
    used = {*columns, *columns.values()}
    made = {name: value for name, value in fields.items() if name not in used}
    made |= {field: fields[column] for field, column in columns.items()}
    if isinstance(made.get("images"), str):
        made["images"] = [made["images"]]
    if isinstance(made.get("id"), int):
        made["id"] = str(made["id"])
    return made
