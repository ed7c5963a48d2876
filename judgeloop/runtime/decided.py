"""Determines which stages' results depend on a setting, and so what may change during a loop.

Content keys hold what the table of stages declares, settings by their paths and inputs by name. The
settings that enter a key through an input are listed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from judgeloop.runtime.identity import ENGINE_SETTINGS
from judgeloop.runtime.stage_table import GOLD, STAGES
from judgeloop.schema.config import Config
from judgeloop.schema.keys import content_key
from judgeloop.store import Store

_BEHIND = {
    "engine": (
        "engine.kind",
        "engine.endpoint.url",
        *(f"engine.{path}" for paths in ENGINE_SETTINGS.values() for path in paths),
    ),
    "prompts": ("prompts",),
    "model": ("model",),
    "base": ("model",),
    "start": ("model",),
    "file": ("data.questions",),
    "benchmarks": ("evaluation.benchmarks", "evaluation.data"),
    "slices": ("data.per_iteration", "data.fresh_pairs", "loop.partitions"),
    "judgements": ("loop.partitions",),
    "controls": ("filtering.keep",),
    "names": ("registry.model_name",),
}
"""Inputs of keys, with the settings that determine them."""
_BESIDE = {
    "evaluate": ("evaluation", *GOLD.settings),
    "register": ("registry",),  # the experiment is part of no key, but contains the runs
}
"""Settings that affect a stage's result, or its location, through no input of the stage itself."""


_URL = "engine.endpoint.url"
"""Only its host enters keys: a server may be restarted on another port or path."""
_NO_JUDGE = {"enough", "decide", "judge_sets", "record", "register", "promote", "report"}
"""Stages that produce neither a judge nor scores of one."""


def stages_decided_by(path: str) -> set[str]:
    """Returns the stages whose results depend on a setting of the configuration.

    Args:
        path: Path of a field or a section, such as `training.rank`.
    """
    found = set()
    for spec in STAGES:
        settings = [*spec.key.settings, *_BESIDE.get(spec.name, ())]
        settings += [each for name in spec.key.inputs for each in _BEHIND.get(name, ())]
        if any(_overlap(path, each) for each in settings):
            found.add(spec.name)
    return found


def stages_decided_anew(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Returns the stages whose results a change of a setting may alter.

    Args:
        path: Path of a setting that differs, as `changed_paths` returns it.
        before: The configuration with the old value.
        after: The configuration with the new value.
    """
    if path == _URL and _keyed(before, path) == _keyed(after, path):
        return set()
    return stages_decided_by(path)


def loop_hash(config: Config, store: Store) -> str:
    """Returns a hash that distinguishes a loop in MLflow from other loops with its id.

    Settings that do not affect a judge (the gate, the number of iterations, where versions are
    registered) are left out: they may change while the loop continues.
    """
    tree = msgspec.to_builtins(config)
    paths = [path for path in _leaves(tree) if stages_decided_by(path) - _NO_JUDGE]
    return content_key(store.uri, {path: _keyed(tree, path) for path in paths})


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _keyed(tree: Any, path: str) -> Any:
    """Returns the part of a setting's value that enters keys."""
    for name in path.split("."):
        tree = tree[name]
    return urlsplit(tree).hostname if path == _URL else tree


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def changed_paths(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Returns the paths of all settings that differ between two configurations, sorted."""
    return sorted(_changed(before, after, ""))


def _changed(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _changed(old, new, f"{prefix}{name}.")
        elif old != new or (name in before) != (name in after):
            yield f"{prefix}{name}"
