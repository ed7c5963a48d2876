"""Asks every stage's own function for its content key, without letting it work.

The key is taken at the moment when a stage looks in the store whether its work is done.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec

from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stage_call import stage_function
from judgeloop.runtime.stage_settings import select_settings
from judgeloop.runtime.stage_table import STAGES, stage_spec
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.records import Manifest, ModelRef, Shard
from judgeloop.store import FolderStore
from tests.conftest import REPOSITORY
from tests.unit.test_decide import validation

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
WITH_MODEL = ("engine.kind=transformers", "training.kind=lora", "model.base=builtin:tiny-vlm",
              "data.count=4", "evaluation.count=4")  # fmt: skip
JUDGE = ModelRef(base="builtin:tiny-vlm", base_sha256="b", adapter="train/k/a", adapter_sha256="a")
_UNKEYED = ("register", "report", "judge_sets", "record", "watch")
KEYED = tuple(spec.name for spec in STAGES if spec.name not in _UNKEYED)
"""Stages whose key can be had here; `register` asks MLflow first, the report and the watcher
have none, and an evaluation outside a loop does the work of `evaluate`."""


class Asked(Exception):
    """Carries a content key out of a stage."""


class AskedStore(FolderStore):
    """Raises when a stage asks whether its work is done."""

    stage = ""

    def read(self, key: str) -> bytes:
        stage, _, rest = key.partition("/")
        if stage == self.stage and rest.endswith("/manifest.json"):
            raise Asked(rest.partition("/")[0])
        return super().read(key)


def changed(*changes: str) -> Config:
    """The micro loop with a model, and some settings changed."""
    return load_config(MICRO, [*WITH_MODEL, *changes])


def leaves(kind: type = Config, prefix: str = "") -> Iterator[str]:
    """The paths of all fields of the configuration that are no sections."""
    for field in msgspec.structs.fields(kind):
        nested = [each for each in (field.type, *typing.get_args(field.type))
                  if isinstance(each, type) and issubclass(each, msgspec.Struct)]  # fmt: skip
        if nested:
            yield from leaves(nested[0], f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def made(stage: str, key: str, **found: object) -> Manifest:
    """A manifest that a stage is given."""
    return msgspec.structs.replace(Manifest(stage=stage, stage_version=1, key=key), **found)


def keys_of(
    config: Config, folder: Path, model: ModelRef = JUDGE, iteration: int = 1
) -> dict[str, str]:
    """The content key of every stage, from its own function, with the same inputs each time."""
    pool = Shard(key="q", sha256="", rows=80, split="p000")
    parts = range(config.loop.partitions)
    given: dict[str, object] = {
        "config": config,
        "iteration": iteration,
        "partition": 0,
        "model": model,
        "loop_id": "loop",
        "loop_hash": "hash",
        "registered": {},
        "evaluations": {},
        "questions": made("ingest", "q", shards=(pool,)),
        "pairs": made("synthesize", "p"),
        "examples": made("filter", "e", shards=(pool,), model=model),
        "validations": [validation(at, 0.5) for at in range(2)],
    }
    pairs = [made("synthesize", f"p{at}", partition=at) for at in parts]
    judged = [made("judge", f"j{at}", inputs=(f"p{at}",), partition=at) for at in parts]
    found = {}
    for spec in STAGES:
        if spec.name not in KEYED:
            continue
        store = AskedStore(folder)
        store.stage = spec.name
        known = given | {"store": store, "ledger": Ledger(store, "loop")}
        known["config"] = select_settings(config, spec.settings)
        if spec.name == "filter":
            known |= {"pairs": pairs, "judgements": judged}
        found[spec.name] = _key(spec.name, known)
    return found


def _key(stage: str, known: dict[str, object]) -> str:

    function = stage_function(stage_spec(stage))
    try:
        return function(
            **{name: known[name] for name in inspect.signature(function).parameters}
        ).key
    except Asked as asked:
        return str(asked)
