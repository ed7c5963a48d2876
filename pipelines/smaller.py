"""Makes a compiled pipeline smaller, without changing what it does.

Argo keeps a run in one object of at most 1 MiB: the whole specification, and for each task several
copies of its component, its source and its settings (`pipelines.estimate`). So the package keeps no
text for people, and components that KFP's compiler repeats for each use are written once.
"""

from __future__ import annotations

import ast
import json
from typing import Any

from pipelines.spec import Spec, Tree


def make_smaller(spec: Spec) -> None:
    """Removes docstrings and descriptions, and merges duplicates."""
    _drop_descriptions(spec.pipeline)
    for executor in spec.executors.values():
        command = executor.get("container", {}).get("command", [])
        if command and "def " in command[-1]:
            command[-1] = _without_docstrings(command[-1])
    _merge_executors(spec)
    while _merge_components(spec):
        pass


def _drop_descriptions(node: Any) -> None:
    if isinstance(node, list):
        for each in node:
            _drop_descriptions(each)
    elif isinstance(node, dict):
        if isinstance(node.get("description"), str):  # a parameter of that name is a mapping
            del node["description"]
        for each in node.values():
            _drop_descriptions(each)


def _without_docstrings(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.unparse(tree) + "\n"


def _merge_executors(spec: Spec) -> None:
    """Merges equal executors, including their Kubernetes settings."""
    first: dict[str, str] = {}
    renamed = {}
    for label in sorted(spec.executors):
        content = _text([spec.executors[label], spec.kubernetes.get(label)])
        kept = first.setdefault(content, label)
        if kept != label:
            renamed[label] = kept
            del spec.executors[label]
            spec.kubernetes.pop(label, None)
    for component in spec.components.values():
        label = component.get("executorLabel")
        if label in renamed:
            component["executorLabel"] = renamed[label]


def _merge_components(spec: Spec) -> bool:
    """Merges equal components; returns whether any were merged."""
    first: dict[str, str] = {}
    renamed = {}
    for name in sorted(spec.components):
        kept = first.setdefault(_text(spec.components[name]), name)
        if kept != name:
            renamed[name] = kept
            del spec.components[name]
    for _, graph in spec.graphs():
        for task in graph["dag"]["tasks"].values():
            reference: Tree = task["componentRef"]
            reference["name"] = renamed.get(reference["name"], reference["name"])
    return bool(renamed)


def _text(node: Any) -> str:
    return json.dumps(node, sort_keys=True)
