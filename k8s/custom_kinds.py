"""Checks objects of custom kinds by the schemas of their owners."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

Tree = dict[str, Any]
SCHEMAS = Path(__file__).resolve().parent.parent.parent / "shared" / "schemas"
"""Default folder of `<kind>_<group>_<version>.json`; the variable SCHEMAS sets another one.
They are structural schemas of Trainer 2.3, Kueue 0.19 and KServe 0.20, and not part of this
repository."""
GROUPS = ("trainer.kubeflow.org", "kueue.x-k8s.io", "serving.kserve.io")
"""API groups of the custom kinds that are used here."""


def folder() -> Path:
    """Returns the folder of the schemas."""
    return Path(os.environ.get("SCHEMAS") or SCHEMAS)


def is_custom(each: Tree) -> bool:
    """Returns whether an object is of such a kind."""
    return str(each["apiVersion"]).partition("/")[0] in GROUPS


def violations(each: Tree) -> Iterator[str]:
    """Yields what is wrong with an object of such a kind; nothing if there are no schemas."""
    if not folder().is_dir():
        return
    path = _schema_of(each)
    if not path.is_file():
        yield f"is of a kind that {folder()} has no schema of ({path.name})"
        return
    for error in _validator(path).iter_errors(each):
        place = ".".join(map(str, error.absolute_path))
        yield f"is not valid: {place}: {error.message[:200]}"


@cache
def _validator(path: Path) -> Any:
    import jsonschema

    return jsonschema.Draft7Validator(strict(json.loads(path.read_text(encoding="utf-8"))))


def unchecked_rules(each: Tree) -> int:
    """Returns how many rules of the server's (CEL) a schema holds that are not checked here."""
    path = _schema_of(each)
    return path.read_text(encoding="utf-8").count('"x-kubernetes-validations"') if (
        path.is_file()
    ) else 0  # fmt: skip


def strict(schema: Any) -> Any:
    """Returns a schema that also finds fields that an API server would silently drop."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    if made.get("x-kubernetes-int-or-string") is True:
        made.pop("anyOf", None)
        made["type"] = ["integer", "string"]
        made.pop("pattern", None)
    closed = isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema
    if closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made["additionalProperties"] = False
    return made


def _schema_of(each: Tree) -> Path:
    group, _, version = str(each["apiVersion"]).partition("/")
    return folder() / f"{str(each['kind']).lower()}_{group}_{version}.json"
