"""Reads the question of a row in any of several layouts; answers are never read.

Known layouts: LLaVA's `conversations` (also LLaVA-OneVision's), chat `messages`, and plain columns
under their usual names. Anything else is read by a mapping of columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from judgeloop.data.media_marks import without_media_marks
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Kind, to_json

FIELDS = {
    "id": ("id", "question_id", "__key__", "file_name"),
    "images": ("images", "image", "file_name", "jpg", "jpeg", "png", "webp"),
    "text": ("text", "question", "prompt", "query", "txt"),
    "kind": ("kind",),
    "choices": ("choices", "options"),
    "source": ("source", "data_source", "dataset"),
    "license": ("license", "licence"),
}
"""Our fields, and the columns under which each is looked for, in this order."""
TURNS = ("conversations", "conversation", "messages")
"""Columns of a conversation; LLaVA's is the first."""
_ASKING = ("human", "user")


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A question whose images are not fetched yet."""

    id: str
    images: tuple[bytes | str, ...]
    """An image's bytes, or its path."""
    text: str
    kind: Kind | None = None
    choices: tuple[str, ...] | None = None
    source: str = ""
    license: str = ""


class TextOnlyError(DataError):
    """The row has no image."""


def checked_columns(columns: Mapping[str, str]) -> dict[str, str]:
    """Returns a mapping of our fields to columns.

    Raises:
        ConfigError: It maps a name that is not a field.
    """
    unknown = sorted(set(columns) - set(FIELDS))
    if unknown:
        raise ConfigError(
            f"columns: `{unknown[0]}` is no field of a question; known: {', '.join(FIELDS)}"
        )
    return dict(columns)


def read_row(row: Mapping[str, Any], place: str, columns: Mapping[str, str]) -> Draft:
    """Reads a row.

    Args:
        row: Its columns; a column `json` with an object counts as columns of its own.
        place: Place of the row, used as its id where it has none.
        columns: Which column holds which of our fields; what is not mapped is looked for under
            its usual names, `text` in the first human turn of a conversation too.

    Raises:
        TextOnlyError: It has no image.
        DataError: It has no question, or a field is of the wrong type.
    """
    if isinstance(row.get("json"), Mapping):
        row = {**{name: value for name, value in row.items() if name != "json"}, **row["json"]}
    found = {field: _column(row, field, columns) for field in FIELDS}
    images = _images(found["images"])
    if not images:
        raise TextOnlyError(f"the row has no image{_where_images_may_be(row, columns)}")
    text = found["text"]
    if "text" not in columns and (turns := _turns(row)) is not None:
        text = _first_question(turns)
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"the row asks nothing: {_why_no_question(row)}")
    draft = Draft(
        id=_text(found["id"]) or place,
        images=images,
        text=without_media_marks(text, len(images)),
        kind=_kind(found["kind"]),
        choices=_choices(found["choices"]),
        source=_text(found["source"]),
        license=_text(found["license"]),
    )
    try:
        to_json([draft.id, draft.text, draft.choices, draft.source, draft.license])
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        raise DataError(f"a text holds {half!r}, half of a surrogate pair") from error
    return draft


def _column(row: Mapping[str, Any], field: str, columns: Mapping[str, str]) -> Any:
    if field in columns:
        if columns[field] not in row:
            raise DataError(
                f"the row has no column `{columns[field]}`, which is mapped to `{field}`; it has "
                f"{_named(row)}"
            )
        return row[columns[field]]
    return next((row[name] for name in FIELDS[field] if row.get(name) is not None), None)


def _where_images_may_be(row: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    """Says how to name the column of a row that has none of those that hold images."""
    if "images" in columns or any(name in row for name in FIELDS["images"]):
        return ""
    return (
        f"; images are looked for in {', '.join(FIELDS['images'])}, and it has the columns "
        f"{_named(row)}; --columns images=COLUMN names another"
    )


def _why_no_question(row: Mapping[str, Any]) -> str:
    if (turns := _turns(row)) is not None:
        return f"of the {len(turns)} turns of its conversation none is of a human and has a text"
    return (
        f"it has no text; texts are looked for in {', '.join(FIELDS['text'])}, and it has the "
        f"columns {_named(row)}; --columns text=COLUMN names another"
    )


def _named(row: Mapping[str, Any]) -> str:
    return ", ".join(map(str, row))


def _images(value: Any) -> tuple[bytes | str, ...]:
    """Reads one or several images, each as bytes, a path, or a struct of `bytes` and `path`."""
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        return tuple(image for each in value for image in _images(each))
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
        return () if value is None else _images(value)
    if isinstance(value, str | bytes):
        return (value,) if value else ()
    raise DataError(f"an image is a {type(value).__name__}, neither bytes nor a path")


def _turns(row: Mapping[str, Any]) -> list[Any] | None:
    turns = next((row[name] for name in TURNS if row.get(name) is not None), None)
    if turns is not None and not isinstance(turns, list):
        raise DataError(f"the conversation is a {type(turns).__name__}, not a list of turns")
    return turns


def _first_question(turns: list[Any]) -> str | None:
    """Returns the text of the first human turn; a list of parts gives its texts."""
    for turn in turns:
        if not isinstance(turn, Mapping):
            raise DataError(f"a turn is a {type(turn).__name__}, not an object")
        if (turn.get("from") or turn.get("role")) not in _ASKING:
            continue
        said = turn.get("value", turn.get("content"))
        if isinstance(said, list):
            texts = (part.get("text") for part in said if isinstance(part, Mapping))
            said = "\n".join(text for text in texts if isinstance(text, str))
        return said if isinstance(said, str) else None
    return None


def _kind(value: Any) -> Kind | None:
    if value is None or value == "":
        return None
    try:
        return Kind(value)
    except ValueError:
        raise DataError(f"kind {value!r} is not known; known: {', '.join(Kind)}") from None


def _choices(value: Any) -> tuple[str, ...] | None:
    if value is None or value in ("", [], ()):
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise DataError(f"choices is a {type(value).__name__}, not a list of texts")
    return tuple(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, Mapping):  # an image folder's own column
        return ""
    raise DataError(f"a field is a {type(value).__name__}, not a text")
