"""Links, files, configuration keys and tests that a document names."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from tests.conftest import REPOSITORY
from tests.documents.known import code, config_keys, files, tests, top_folders

_SOURCE = (".py", ".md", ".sh", ".lock", ".jinja", ".toml")
_WRITTEN = (".json", ".jsonl", ".html", ".db", ".log")
"""Endings of files that a run reads or writes: the code has their names."""
_PATH = re.compile(r"[\w.<>*-]+(?:/[\w.<>*-]*)*")
_KEY = re.compile(r"([a-z_]+(?:\.[a-z0-9_]+)+)(?:[:=].*)?")


def about_link(target: str, text: str, place: Path) -> Iterator[str]:
    """Looks for the file and the heading of a link; external addresses are not requested."""
    if "://" in target:
        return
    path, _, anchor = target.partition("#")
    linked = REPOSITORY / place.parent / path
    if not linked.exists():
        yield f"link to {target}: there is no such file"
    elif anchor and anchor not in _anchors(linked.read_text() if path else text):
        yield f"link to {target}: there is no such heading"


def _anchors(text: str) -> set[str]:
    """The headings as they are written in links."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", head.lower()).strip() for head in heads)
    return {name.replace(" ", "-") for name in kept}


def about_name(span: str, place: Path) -> Iterator[str]:
    """Looks for the file or the configuration key that stands alone in backticks."""
    key = None if Path(span).suffix in (*_SOURCE, *_WRITTEN, ".env") else _KEY.fullmatch(span)
    if key and key[1].split(".")[0] in config_keys():
        if key[1] not in config_keys():
            yield f"`{span}`: the configuration has no such key"
    elif _PATH.fullmatch(span):
        yield from _about_file(span, place)


def _about_file(name: str, place: Path) -> Iterator[str]:
    suffix = Path(name).suffix
    ours = "/" in name and name.split("/")[0] in top_folders()
    if not ours and suffix not in _SOURCE + _WRITTEN:
        return
    if any((REPOSITORY / folder / name).exists() for folder in ("", place.parent)):
        return
    pattern = re.sub(r"<\w+>", "*", name)
    if any(fnmatch(path, pattern) or fnmatch(path, f"*/{pattern}") for path in files()):
        return
    if suffix not in (*_WRITTEN, ".lock") or Path(name).name not in code():
        yield f"`{name}`: there is no such file, and the code writes none"


def about_test(name: str) -> Iterator[str]:
    """Looks for a test function, by its beginning where the name ends with `…`, or a test file."""
    if name.endswith("…"):
        if not any(known.startswith(name[:-1]) for known in tests()):
            yield f"{name}: no test begins so"
    elif name not in tests() and not any(path.endswith(f"/{name}.py") for path in files()):
        yield f"{name}: there is no such test"
