"""Writes the view: `index.html` with the rows in it, and `images/` beside it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from judgeloop.report.view.rows import Row, to_page
from judgeloop.schema.errors import ConfigError, JudgeLoopError
from judgeloop.store.images import ImageLibrary
from judgeloop.store.images.portable import portable_image

_HERE = Path(__file__).parent
_STYLES = (_HERE.parent / "style.css", _HERE / "view.css")
INDEX = "index.html"


class Written(NamedTuple):
    """The written page and its counts."""

    page: Path
    rows: int
    images: int


def write_view(rows: Iterable[Row], images: ImageLibrary, out: Path, title: str) -> Written:
    """Writes the folder; an existing one is overwritten.

    Args:
        rows: Rows to show, in order.
        images: Opens the images; one that cannot be read is left out.
        out: The folder.
        title: Title of the page.

    Raises:
        ConfigError: The folder cannot be written.
        DataError, StoreError: A row cannot be read.
    """
    pages: list[dict[str, object]] = []
    places: dict[str, str] = {}
    try:
        (out / "images").mkdir(parents=True, exist_ok=True)
        for row in rows:
            for name in row.images:
                if name not in places:
                    places[name] = _write_image(name, images, out)
            pages.append(to_page(row) | {"images": [places[name] for name in row.images]})
        (out / INDEX).write_text(page(pages, title), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out {out}: cannot be written ({error.strerror})") from error
    return Written(out / INDEX, len(pages), sum(map(bool, places.values())))


def page(rows: list[dict[str, object]], title: str) -> str:
    """Returns the page.

    Texts from models and data are in a JSON block that no text can close, and the script inserts
    them as text. The page's security policy allows only this script.

    Args:
        rows: Rows in the form that the script reads.
        title: Title of the page.
    """
    script = (_HERE / "view.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("view.html.jinja").render(
        title=title,
        style="\n".join(style.read_text(encoding="utf-8") for style in _STYLES),
        script=script,
        digest=digest,
        data=_inert(json.dumps({"title": title, "rows": rows}, ensure_ascii=False)),
    )


def _inert(text: str) -> str:
    """Escapes JSON so that it cannot close the HTML element around it; its value is unchanged."""
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028",
               "\u2029": "\\u2029"}  # fmt: skip
    for char, escape in escapes.items():
        text = text.replace(char, escape)
    return text.encode("utf-8", "replace").decode()


def _write_image(name: str, images: ImageLibrary, out: Path) -> str:
    """Writes an image; returns its path in the folder, empty if it cannot be read."""
    try:
        kind, data = portable_image(images.read(name), images.open(name))
    except JudgeLoopError:
        return ""
    place = f"images/{name}.{kind.rpartition('/')[2]}"
    (out / place).write_bytes(data)
    return place
