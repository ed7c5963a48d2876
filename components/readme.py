"""Generates every component's README from its signature and docstring: `make readmes`.

A component's docstring has a first line, more about it, then the field `Resumed`, then `Args:`,
`Outputs:` and, where it raises an error of its own, `Raises:`. The image and the GPU come from the
table of stages.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
FIELDS = ("Resumed",)
_FIELD = re.compile(r"^(Resumed): ", re.MULTILINE)
_SECTION = re.compile(r"^(Args|Outputs|Raises):$", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


@dataclass(frozen=True)
class Description:
    """The parts of a component's docstring."""

    summary: str
    about: str
    fields: dict[str, str]
    """Text by field (`FIELDS`)."""
    entries: dict[str, str]
    """Description of each argument, output and error, by name."""


def stages() -> list[str]:
    """Returns the names of all components, which are their folders'."""
    return sorted(path.parent.name for path in FOLDER.glob("*/component.py"))


def describe(stage: str) -> Description:
    """Reads the docstring of a component.

    Raises:
        ValueError: A field is missing; the message names it.
    """
    text = inspect.getdoc(_component(stage).python_func) or ""
    head, *sections = _SECTION.split(text)
    about, fields = _fields(head)
    missing = [field for field in FIELDS if field not in fields]
    if missing:
        raise ValueError(f"components/{stage}: the docstring lacks {', '.join(missing)}")
    summary, _, rest = about.partition("\n\n")
    entries = {
        name: " ".join(said.split())
        for body in sections[1::2]
        for name, said in _ENTRY.findall(body)
    }
    return Description(summary.strip(), " ".join(rest.split()), fields, entries)


def readme(stage: str) -> str:
    """Returns the README of a component.

    Raises:
        KeyError: The docstring does not describe an input or output, or the table of stages lacks
            the stage.
        ValueError: A field is missing.
    """
    from judgeloop.runtime.stage_table import stage_spec

    said, declared = describe(stage), stage_spec(stage)
    spec = _component(stage).component_spec
    rows = [
        f"| {way} | `{name}` | {_type(item)} | {said.entries[name]} |"
        for way, items in (("in", spec.inputs or {}), ("out", spec.outputs or {}))
        for name, item in items.items()
    ]
    function = declared.function.replace(":", ".")
    where = (
        f"judgeloop.runtime.stages.{function}" if function else f"judgeloop.runtime.tasks.{stage}"
    )
    lines = [
        f"# {stage}", "", said.summary, "", said.about, "",
        "| | name | type | |", "| --- | --- | --- | --- |", *rows, "",
        f"- **Stage**: {stage}, `{where}`. "
        "Artifacts are manifests (under 1 MB): "
        "data, images and weights are in the store.",
        f"- **Image**: {declared.image} (`components/images.py`).",
        f"- **GPU**: {_GPU[declared.gpu is not None]}.",
        f"- **Configuration**: section `{declared.section}`.",
        f"- **Content key**: {_key(declared.key.settings, declared.key.inputs)}.",
        *([f"- **Result**: `{declared.result.__name__}` (`judgeloop/schema/results.py`)."]
          if declared.result else []),
        f"- **Resumed**: {said.fields['Resumed']}.",
        *(f"- **Fails with** `{n}`: {t}" for n, t in said.entries.items() if n.endswith("Error")),
        "", "Made by `make readmes` from `component.py`: edit that.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes all READMEs."""
    argparse.ArgumentParser(prog="python -m components.readme", description=__doc__).parse_args(
        arguments
    )
    for stage in stages():
        (FOLDER / stage / "README.md").write_text(readme(stage), encoding="utf-8")
    return 0


_GPU = {True: "yes, for a model that needs one", False: "no"}
_PLAIN = {"String": "str", "Integer": "int"}


def _key(settings: Sequence[str], inputs: Sequence[str]) -> str:
    parts = [", ".join(f"`{path}`" for path in settings), ", ".join(inputs).replace("_", " ")]
    return "; ".join(part for part in parts if part) or "none, it runs again each time"


def _component(stage: str):  # KFP's components have no public type
    return getattr(importlib.import_module(f"components.{stage}.component"), stage)


def _fields(head: str) -> tuple[str, dict[str, str]]:
    """Parts the text before `Args:` into what comes before the fields, and the fields."""
    about, *parts = _FIELD.split(head)
    texts = (" ".join(text.split()).removesuffix(".") for text in parts[1::2])
    return about, dict(zip(parts[::2], texts, strict=True))


def _type(item) -> str:
    name = item.type.split("@")[0].removeprefix("system.")
    return f"list of {name}" if item.is_artifact_list else _PLAIN.get(name, name)


if __name__ == "__main__":
    sys.exit(main())
