"""Validates the configuration of an adapter before PEFT acts on it.

It is untrusted input. PEFT allocates matrices of whatever rank it names, matches each module
against any pattern, and replaces layers of the base. So only the fields of a plain LoRA adapter are
accepted, within bounds that its own tensors set; every other field must be off.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from judgeloop.models.module_pattern import PatternError, check_pattern
from judgeloop.models.tensors import tensor_shapes
from judgeloop.schema.errors import EngineError, reason_of

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
MAX_CONFIG_BYTES = 1024 * 1024
MAX_SCALE = 128.0
"""Largest `lora_alpha / r` (with `use_rslora`, by the root of r): beyond it the adapter dominates
its base."""
_LORA = re.compile(r"base_model\.model\.(?P<module>[\w.]+)\.lora_(?P<side>[AB])\.weight")
_ALL_LINEAR = "all-linear"
"""PEFT's name of all linear layers but the last."""
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_OFF: tuple[object, ...] = (None, False, {}, [], "")
_HARMLESS = frozenset(
    {"auto_mapping", "peft_version", "megatron_core", "qalora_group_size", "inference_mode"}
)
"""Fields without effect: their feature is off, or only another loader reads them."""
Rank = Annotated[int, Meta(ge=1, le=4096)]
Names = Annotated[list[Annotated[str, Meta(max_length=200)]], Meta(max_length=2000)]


class LoraFields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a LoRA configuration that have an effect."""

    peft_type: Literal["LORA"]
    r: Rank
    lora_alpha: float
    target_modules: str | Names
    task_type: Literal["CAUSAL_LM"] | None = None
    """Other task types add layers of their own."""
    base_model_name_or_path: str | None = None
    revision: str | None = None
    lora_dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    bias: Literal["none"] = "none"
    fan_in_fan_out: bool = False
    use_rslora: bool = False
    init_lora_weights: bool | Literal["gaussian"] = True
    """Other values, such as `pissa`, change the base when the adapter is loaded, and may take
    unbounded time."""
    rank_pattern: Annotated[
        dict[str, Annotated[int, Meta(ge=1, le=4096)]], Meta(max_length=2000)
    ] = msgspec.field(default_factory=dict)
    alpha_pattern: Annotated[dict[str, float], Meta(max_length=2000)] = msgspec.field(
        default_factory=dict
    )


def read_adapter_config(folder: Path, name: str | None, base: str = "") -> LoraFields:
    """Reads and checks an adapter's configuration against its own tensors.

    Args:
        folder: A PEFT folder.
        name: Its name in messages.
        base: The model that it is loaded on; where both this and the configuration name a hub
            model, they must be the same. A folder may have moved.

    Raises:
        EngineError: It is not a LoRA adapter that is safe to load; the message names the field or
            the tensor.
    """
    fields = _fields(folder / CONFIG, name)
    strange = sorted(
        key
        for key, value in fields.items()
        if key not in LoraFields.__struct_fields__ and key not in _HARMLESS and value not in _OFF
    )
    if strange:
        raise _refused(name, f"{strange[0]} is set, which only other kinds of adapters need")
    try:
        found = msgspec.convert(fields, LoraFields)
    except msgspec.ValidationError as error:
        raise _refused(name, str(error)) from error
    theirs = found.base_model_name_or_path or ""
    if theirs != base and _HUB_ID.fullmatch(theirs) and _HUB_ID.fullmatch(base):
        raise _refused(name, f"it was trained on {theirs}, not on {base}")
    _check_patterns(found, name)
    _check_sizes(found, tensor_shapes(folder / WEIGHTS), name)
    return found


def check_targets(folder: Path, name: str | None, modules: Collection[str], base: str = "") -> None:
    """Refuses an adapter that names more modules of its base than it has tensors for.

    PEFT would allocate matrices of rank r for each of them before it finds that weights are
    missing.

    Args:
        folder: A PEFT folder.
        name: Its name in messages.
        modules: Names of the base's modules that have a weight matrix.
        base: As in `read_adapter_config`.

    Raises:
        EngineError: It names more, or as for `read_adapter_config`.
    """
    found = read_adapter_config(folder, name, base)
    targets = found.target_modules
    if targets == _ALL_LINEAR:
        named = [module for module in modules if not module.endswith("lm_head")]
    elif isinstance(targets, str):
        named = [module for module in modules if re.fullmatch(targets, module)]
    else:
        ends = {*targets}
        named = [it for it in modules if any(end in ends for end in _ends(it))]
    tensors = tensor_shapes(folder / WEIGHTS)
    have = {match["module"] for tensor in tensors if (match := _LORA.fullmatch(tensor))}
    if len(named) > len(have):
        raise _refused(
            name,
            f"target_modules names {len(named)} modules of the base, and there are weights for "
            f"{len(have)}, so it was trained on another base",
        )


def _ends(module: str) -> Iterator[str]:
    """Yields `a.b.c`, `b.c` and `c`, by each of which PEFT finds a module."""
    parts = module.split(".")
    return (".".join(parts[first:]) for first in range(len(parts)))


def _fields(path: Path, name: str | None) -> dict[str, Any]:
    try:
        if not path.is_file():  # reading a pipe would block
            raise _refused(name, "it is no file")
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise _refused(name, f"it has more than {MAX_CONFIG_BYTES:,} bytes")
        fields = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(fields, ensure_ascii=False).encode()  # raises at half a surrogate pair
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(name, f"it cannot be read ({reason_of(error)})") from error
    if not isinstance(fields, dict):
        raise _refused(name, "it is not a JSON object")
    return fields


def _check_patterns(found: LoraFields, name: str | None) -> None:
    """Refuses patterns that `re` could match for an unbounded time."""
    whole = [found.target_modules] if isinstance(found.target_modules, str) else []
    for pattern in (*whole, *found.rank_pattern, *found.alpha_pattern):
        try:
            check_pattern(pattern)
        except PatternError as error:
            raise _refused(name, f"the pattern {pattern[:60]!r} {error}") from error


def _check_sizes(
    found: LoraFields, shapes: Mapping[str, tuple[int, ...]], name: str | None
) -> None:
    """Refuses ranks that the tensors do not have, other tensors, and a scale out of range."""
    ranks: dict[str, set[int]] = {}
    for tensor, shape in shapes.items():
        match = _LORA.fullmatch(tensor)
        if match is None or len(shape) != 2:
            raise _refused(name, f"its tensor {tensor[:80]!r} is none of a LoRA adapter on layers")
        ranks.setdefault(match["module"], set()).add(shape[0 if match["side"] == "A" else 1])
        ranks[match["module"]].add(-1 if match["side"] == "A" else -2)
    allowed = {found.r, *found.rank_pattern.values()}
    for module, sides in ranks.items():
        sizes = {size for size in sides if size >= 0}
        if not {-1, -2} <= sides or len(sizes) != 1:
            raise _refused(name, f"the two tensors of {module[:80]} do not fit together")
        if not sizes <= allowed:
            raise _refused(name, f"{module[:80]} has rank {sizes.pop()}, not r = {found.r}")
    if missing := allowed - {rank for sides in ranks.values() for rank in sides}:
        raise _refused(name, f"no tensor has the rank {max(missing)} that it names")
    least = min(math.sqrt(rank) if found.use_rslora else rank for rank in allowed)
    for alpha in (found.lora_alpha, *found.alpha_pattern.values()):
        if not math.isfinite(alpha) or not 0 < alpha <= MAX_SCALE * least:
            raise _refused(name, f"lora_alpha {alpha} is not within 0 and {MAX_SCALE:g} times r")


def _refused(name: str | None, why: str) -> EngineError:
    return EngineError(
        f"adapter {name} is not loaded: {CONFIG}: {why}; give a LoRA folder of PEFT's"
    )
