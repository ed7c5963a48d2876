"""The files of the package's set of prompts: `set.yaml` and Jinja templates."""

from __future__ import annotations

from importlib import resources

SETTINGS = "set.yaml"
TEMPLATE = ".jinja"


def package_files() -> dict[str, str]:
    """Returns the files of the set `default` by their names."""
    folder = resources.files("judgeloop.method.prompts.default")
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if belongs(file.name)
    }


def belongs(name: str) -> bool:
    """Returns whether a file of that name is part of a set."""
    return name == SETTINGS or name.endswith(TEMPLATE)
