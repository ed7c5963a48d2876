"""Checks requests and answers by KFP's v2beta1 API, as `tests.make_kfp_contract` wrote it down."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema

from tests.make_kfp_contract import FILE

Tree = dict[str, Any]
UNDOCUMENTED = {
    "V2beta1GetHealthzResponse": (
        "commit_sha", "tag_name",  # backend/src/apiserver/main.go
        "apiServerCommitHash", "apiServerTagName", "frontendCommitHash", "frontendTagName",
        "buildDate", "pipelineStore",  # frontend/server/handlers/healthz.ts, which has also:
        "apiServerMultiUser", "apiServerReady",
    ),
}  # fmt: skip
"""What KFP answers beyond its own document, by definition; read in its source."""


class Contract:
    """The API's document, made strict: a field that it does not name is a violation, but for those
    that KFP has beyond it."""

    def __init__(self, document: Tree) -> None:
        self._definitions = _strict(document["definitions"])
        for name, fields in UNDOCUMENTED.items():
            known = self._definitions[name]["properties"]
            known.update({field: {"type": ["string", "boolean"]} for field in fields})
        # A google.protobuf.Value, which the client calls an object; a text was recorded.
        self._definitions["V2beta1MetadataValue"]["properties"]["value"] = {}
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\{[^}]+\}", "[^/:]+", path)), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def violations(self, exchange: Tree) -> Iterator[str]:
        """What of a request or its answer the document does not know."""
        where = f"{exchange['method']} {exchange['path']}"
        found = [
            operation
            for method, path, operation in self._operations
            if method == exchange["method"] and path.fullmatch(exchange["path"])
        ]
        if not found:
            yield f"{where}: no such operation"
            return
        (operation,) = found
        known = {each["name"]: each for each in operation.get("parameters", [])}
        for name in exchange["query"]:
            if known.get(name, {}).get("in") != "query":
                yield f"{where}: no query parameter {name}"
        bodies = [each for each in known.values() if each["in"] in ("body", "formData")]
        if exchange["body"] is not None and not bodies:
            yield f"{where}: takes no body"
        for each in bodies:
            if each["in"] == "formData":
                if each["name"] not in exchange["body"]:
                    yield f"{where}: {each['name']} is missing"
            else:
                yield from self._check(f"{where} request", exchange["body"], each["schema"])
        answers = operation["responses"]
        answer = answers.get(str(exchange["status"]), answers["default"])
        status = exchange["status"]
        yield from self._check(f"{where} {status}", exchange["answer"], answer["schema"])

    def _check(self, where: str, value: Any, schema: Tree) -> Iterator[str]:
        whole = {**schema, "definitions": self._definitions}
        for error in jsonschema.Draft4Validator(whole).iter_errors(value):
            yield f"{where}: {error.json_path}: {error.message[:200]}"


def load_contract() -> Contract:
    """The contract."""
    return Contract(json.loads(FILE.read_text()))


def _strict(node: Any) -> Any:
    """The same with every object that lists its fields closed."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _strict(value) for key, value in node.items()}
    if isinstance(closed.get("properties"), dict) and closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
