"""Which files make a configuration: a file, those that it extends, and where each value comes from.

`extends: tiny` names a preset, `extends: base.yaml` a file beside the one that says so. Of sections
the values are merged one by one, and the extending file's win; a list is replaced as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from judgeloop.schema.errors import ConfigError, reason_of
from judgeloop.schema.yaml_tree import read_yaml

PRESETS = Path(__file__).resolve().parents[2] / "pipelines" / "configs"
"""Beside the package, both in the repository and where the wheel is installed."""
EXTENDS = "extends"
_NO_PATHS = {"tiny-world", "tiny", "tiny-choose", "default"}
_MAX_DEPTH = 10

Tree = dict[str, Any]


def read_layers(path: Path) -> list[tuple[str, Tree]]:
    """Reads a configuration and all that it extends, the outermost base first.

    Args:
        path: A YAML file, or the name of a preset.

    Returns:
        The name and the tree of each layer; paths in it are relative to the current folder.

    Raises:
        ConfigError: A file cannot be read, is no mapping, or extends itself.
    """
    layers: list[tuple[str, Tree]] = []
    file: Path | None = find_config(path)
    while file is not None:
        if len(layers) == _MAX_DEPTH:
            raise ConfigError(f"{path}: `{EXTENDS}` leads through more than {_MAX_DEPTH} files")
        tree = _read(file)
        named = tree.pop(EXTENDS, None)
        if named is not None and not isinstance(named, str):
            raise ConfigError(f"{file}: `{EXTENDS}` names one preset or file, such as tiny")
        preset = file.resolve().parent == PRESETS
        if not preset:
            _place(tree, file.parent)
        layers.append((f"preset {file.stem}" if preset else str(file), tree))
        file = find_config(Path(named), file.parent) if named else None
    return layers[::-1]


def find_config(path: Path, folder: Path = Path()) -> Path:
    """Returns the file of a configuration: a path, relative to `folder`, or a preset's name.

    Raises:
        ConfigError: It is neither.
    """
    preset = PRESETS / f"{path}.yaml"
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1 or not os.path.isfile(preset):
        found = folder / path
        if found.suffix not in (".yaml", ".yml") and not os.path.isfile(found):
            known = ", ".join(sorted(each.stem for each in PRESETS.glob("*.yaml")))
            raise ConfigError(f"{path}: there is no such file or preset; presets: {known}")
        return found
    return preset


def merge(base: Tree, change: Tree) -> Tree:
    """Returns a tree merged with another, whose values win."""
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = merge(below, value) if both and below is not None else value
    return merged


def leaves(tree: Tree, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the path and the value of each leaf of a tree."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _read(file: Path) -> Tree:
    try:
        tree = read_yaml(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{file}: cannot be read ({reason_of(error)}). Give a readable YAML file."
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{file}: not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{file}: must hold a mapping of sections, not {type(tree).__name__}")
    return tree


def _place(tree: Tree, folder: Path) -> None:
    """Makes the paths in a file relative to the current folder, in place."""
    for section, key in ((None, "prompts"), ("data", "questions"), ("model", "base"),
                         ("evaluation", "gold")):  # fmt: skip
        inside = tree if section is None else tree.get(section)
        if isinstance(inside, dict) and isinstance(inside.get(key), str):
            is_folder = key in ("prompts", "base")
            inside[key] = _placed(inside[key], folder, is_folder=is_folder)
    evaluation = tree.get("evaluation")
    if not isinstance(evaluation, dict):
        return
    sets, places = evaluation.get("benchmarks"), evaluation.get("data")
    if isinstance(sets, list):
        evaluation["benchmarks"] = [
            _placed(name, folder) if str(name).endswith(".jsonl") else name for name in sets
        ]
    prompts = evaluation.get("base_prompts")
    if isinstance(prompts, list):
        evaluation["base_prompts"] = [_placed(name, folder, is_folder=True) for name in prompts]
    if isinstance(places, dict):
        evaluation["data"] = {name: _placed(place, folder) for name, place in places.items()}


def _placed(value: Any, folder: Path, *, is_folder: bool = False) -> Any:
    """Returns a path relative to the current folder; a name, an address or a hub id stays."""
    if not isinstance(value, str) or value in _NO_PATHS or ":" in value or value.startswith("~"):
        return value
    if is_folder and not value.startswith(".") and not os.path.isdir(folder / value):
        return value
    return os.path.normpath(folder / value)
