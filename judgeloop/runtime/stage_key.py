"""Content keys of stages, computed only from what the table of stages declares.

A content key guarantees that work is redone when anything changes that affects it. A stage passes
only its inputs; its settings, and that no declared input is missing, come from its row in the
table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from judgeloop.runtime.identity import (
    control_tokens_identity,
    engine_identity,
    prompts_identity,
)
from judgeloop.runtime.stage_table import (
    ATTACK,
    BENCHMARK,
    BENCHMARK_ITEMS,
    COMPARE,
    GOLD,
    KeySpec,
    stage_spec,
)
from judgeloop.schema.keys import content_key, field_at
from judgeloop.schema.records import Manifest, ModelRef
from judgeloop.schema.section import Section

_IDENTITIES: dict[str, Callable[[Any], object]] = {
    "engine": lambda config: engine_identity(config.engine),
    "prompts": lambda config: prompts_identity(config.prompts),
    "control_tokens": lambda config: control_tokens_identity(),
}
"""Parts of keys that follow from the configuration and the software."""


def key_spec(stage: str) -> KeySpec:
    """Returns the declared key of a stage, or of work outside a loop."""
    parts = {
        "gold": GOLD,
        "benchmark_items": BENCHMARK_ITEMS,
        "benchmark": BENCHMARK,
        "attack": ATTACK,
        "compare": COMPARE,
    }
    return parts[stage] if stage in parts else stage_spec(stage).key


def stage_key(stage: str, config: Section, **inputs: object) -> str:
    """Returns the content key of a stage's work.

    Args:
        stage: The stage.
        config: The configuration, or the part that the stage reads; the declared settings are read
            from it.
        inputs: The declared inputs: manifests (one or several), models, numbers, texts, hashes.

    Raises:
        ValueError: The inputs are not those that the table declares.
    """
    spec = key_spec(stage)
    derived = {name: identity(config) for name, identity in _IDENTITIES.items()
               if name in spec.inputs}  # fmt: skip
    if set(derived) & set(inputs):
        raise ValueError(f"{stage}: {sorted(derived)} follow from the configuration")
    settings = {path: field_at(config, path) for path in spec.settings}
    return declared_key(stage, settings, derived | inputs)


def declared_key(stage: str, settings: Mapping[str, object], inputs: Mapping[str, object]) -> str:
    """Returns the content key of work from its declared settings and inputs.

    Raises:
        ValueError: The inputs are not those that the table declares.
    """
    spec = key_spec(stage)
    if set(inputs) != set(spec.inputs):
        raise ValueError(
            f"{stage}: its key is declared to hold {sorted(spec.inputs)}, and it is given "
            f"{sorted(inputs)}: judgeloop/runtime/stage_table.py and the stage must agree"
        )
    given = {name: _content(value) for name, value in inputs.items()}
    return content_key(stage, spec.version, dict(settings), given)


def stage_manifest(stage: str, config: Section, **inputs: object) -> Manifest:
    """Returns a stage's manifest before its work: stage, version, key, inputs and seed.

    Args:
        stage: The stage.
        config: As for `stage_key`.
        inputs: As for `stage_key`.

    Raises:
        ValueError: The inputs are not those that the table declares.
    """
    return Manifest(
        stage=stage,
        stage_version=key_spec(stage).version,
        key=stage_key(stage, config, **inputs),
        inputs=tuple(manifest.key for value in inputs.values() for manifest in _manifests(value)),
        seed=field_at(config, "loop.seed") if "loop.seed" in key_spec(stage).settings else 0,
    )


def _content(value: object) -> object:
    """Returns the identity of a value, without its location."""
    if isinstance(value, Manifest):
        return value.key
    if isinstance(value, ModelRef):
        return value.content()
    if isinstance(value, Mapping):
        return {name: _content(each) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_content(each) for each in value]
    return value


def _manifests(value: object) -> Iterator[Manifest]:
    if isinstance(value, Manifest):
        yield value
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from _manifests(each)
