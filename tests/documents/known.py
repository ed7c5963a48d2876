"""What there is to name: files, tests, the code's own words, keys of the configuration."""

import ast
import os
from functools import cache
from pathlib import Path

import msgspec.inspect

from judgeloop.schema.config import Config
from tests.conftest import REPOSITORY

_NOT_OURS = {REPOSITORY / name for name in ("mutants", "runs", "build", "dist")}
_PLANTED = "tests/unit/test_documents.py"
"""Names on purpose what does not exist."""


@cache
def files() -> frozenset[str]:
    """The repository's files, by their paths within it."""
    found = set()
    for folder, folders, names in os.walk(REPOSITORY):
        folders[:] = [name for name in folders if _is_ours(Path(folder) / name)]
        found |= {str((Path(folder) / name).relative_to(REPOSITORY)) for name in names}
    return frozenset(found)


def _is_ours(folder: Path) -> bool:
    generated = folder in _NOT_OURS or folder.name == "__pycache__"
    return not generated and not folder.name.startswith(".")


@cache
def top_folders() -> frozenset[str]:
    return frozenset(path.split("/")[0] for path in files() if "/" in path)


@cache
def tests() -> frozenset[str]:
    """The names of all test functions."""
    return frozenset(
        node.name
        for path in files()
        if path.startswith("tests/") and path.endswith(".py")
        for node in ast.walk(ast.parse((REPOSITORY / path).read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


@cache
def code() -> str:
    """The text of all Python files and templates."""
    ours = sorted(p for p in files() if p.endswith((".py", ".jinja")) and p != _PLANTED)
    return "\n".join((REPOSITORY / path).read_text() for path in ours)


@cache
def makefile() -> str:
    return (REPOSITORY / "Makefile").read_text()


@cache
def config_keys() -> frozenset[str]:
    """All keys of the configuration, sections too: `engine`, `engine.kind`, ..."""
    return frozenset(_keys(msgspec.inspect.type_info(Config)))


def _keys(kind: msgspec.inspect.Type, prefix: str = "") -> set[str]:
    if isinstance(kind, msgspec.inspect.UnionType):
        return set().union(*(_keys(one, prefix) for one in kind.types))
    if not isinstance(kind, msgspec.inspect.StructType):
        return set()
    own = {f"{prefix}{field.encode_name}": field.type for field in kind.fields}
    return set(own).union(*(_keys(type_, f"{key}.") for key, type_ in own.items()))
