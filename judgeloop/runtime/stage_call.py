"""Calls a stage's function with the arguments that its parameters name, and reads its inputs."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from judgeloop.runtime.stage_settings import select_settings
from judgeloop.runtime.stage_table import StageSpec
from judgeloop.schema.config import Config
from judgeloop.schema.errors import JudgeLoopError
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.store.shards import read_manifest


def call_stage(
    spec: StageSpec,
    config: Config,
    task: Mapping[str, object],
    inputs: Mapping[str, str | Sequence[str]],
) -> Manifest:
    """Runs a stage's function and returns its manifest.

    Args:
        spec: The stage's row.
        config: The configuration; the function gets the part that the row declares.
        task: Arguments that every stage may name: `store`, `ledger`, `iteration`, `partition`,
            `loop_hash`, which distinguishes the loop from others with its id, and `configuration`,
            the whole configuration as plain data, to be recorded.
        inputs: Files of manifests, one or several per input. The function gets the manifests; for
            an input `model`, the model that its manifest names.

    Raises:
        TypeError: It has no such input, or one is not given.
        DataError, StoreError: An input is not a manifest, or has another schema.
    """
    function = stage_function(spec)
    names = inspect.signature(function).parameters
    if strange := sorted(set(inputs) - set(names)):
        raise TypeError(f"{spec.name}: its function has no parameter {strange[0]}")
    known = {"config": select_settings(config, spec.settings), **task}
    known |= {name: _input(name, files) for name, files in inputs.items()}
    if missing := sorted(set(names) - set(known)):
        raise TypeError(f"{spec.name}: its function is not given {missing[0]}")
    return function(**{name: known[name] for name in names})


def stage_function(spec: StageSpec) -> Callable[..., Manifest]:
    """Imports the function that does a stage's work."""
    module, _, name = spec.function.partition(":")
    function: Callable[..., Manifest] = getattr(
        importlib.import_module(f"judgeloop.runtime.stages.{module}"), name
    )
    return function


def read_input(path: str) -> Manifest:
    """Reads a manifest file that a task got as input."""
    return read_manifest(Path(path).read_bytes(), path)


def _input(name: str, files: str | Sequence[str]) -> object:
    """Reads an input: a manifest, a list of them, or the model that a manifest names."""
    if not isinstance(files, str):
        return [read_input(path) for path in files]
    return _model(files) if name == "model" else read_input(files)


def _model(path: str) -> ModelRef:
    model = read_input(path).model
    if model is None:
        raise JudgeLoopError(f"{path}: this manifest names no model")
    return model
