"""The Jinja environment of the report's pages: undefined values are errors, HTML is escaped."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from judgeloop.report.markdown import markdown_cell
from judgeloop.report.summary import interval, share
from judgeloop.schema.printable import printable

FOLDER = Path(__file__).parent


def page_environment(*, escape: bool) -> Environment:
    """Returns an environment for the templates of this folder.

    Args:
        escape: Whether values are escaped for HTML.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=escape,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"interval": interval, "share": share, "cell": markdown_cell}
    environment.filters["indented"] = lambda text: "\n".join(f"    {x}" for x in text.splitlines())
    return environment


def _shown(value: object) -> object:
    """Escapes control characters in foreign texts; the templates' own markup is passed through."""
    return printable(value) if type(value) is str else value
