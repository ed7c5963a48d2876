"""Rows whose fields have other names: a mapping of our fields to theirs, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgeloop.schema.errors import DataError


def renamed(fields: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Returns a row under our names; columns that are not mapped keep their names.

    A number as `id` becomes a text, and a single image a list of one. A column with the name of one
    of our fields is left out where that field is mapped from another column.

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
    row = {name: value for name, value in fields.items() if name not in used}
    row |= {field: fields[column] for field, column in columns.items()}
    if isinstance(row.get("images"), str):
        row["images"] = [row["images"]]
    if isinstance(row.get("id"), int):
        row["id"] = str(row["id"])
    return row
