"""The presets name every key of the configuration, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from judgeloop.schema.config import load_config
from tests.conftest import REPOSITORY

PRESETS = sorted((REPOSITORY / "pipelines/configs").glob("*.yaml"))


def keys(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield prefix + key
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_names_every_key(preset: Path) -> None:
    every = set(keys(msgspec.to_builtins(load_config(preset))))
    assert set(keys(yaml.safe_load(preset.read_text()))) == every


def test_there_are_presets() -> None:
    assert {path.stem for path in PRESETS} >= {"micro", "tiny"}
