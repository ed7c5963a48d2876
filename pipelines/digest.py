"""The canonical digest of a compiled pipeline.

KFP 2.17 numbers repeated components differently from run to run, so two compilations of one source
differ as text. Here every reference to a component is replaced by the component itself, so that
nothing depends on the numbering.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pipelines.spec import Spec, Tree, read_spec


def digest(path: Path) -> str:
    """Returns the SHA-256 of a compiled pipeline's canonical form, in hexadecimal."""
    return digest_of(read_spec(path))


def digest_of(spec: Spec) -> str:
    """Returns the digest of a specification that was read."""
    text = json.dumps(canonical(spec), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(spec: Spec) -> Tree:
    """Returns the pipeline as one tree, components and executors in place of their names."""
    return {"info": spec.pipeline["pipelineInfo"], "root": _component(spec, spec.pipeline["root"])}


def _component(spec: Spec, component: Tree) -> Tree:
    tree = dict(component)
    label = tree.pop("executorLabel", None)
    if label is not None:
        tree["executor"] = spec.executors[label]
        tree["kubernetes"] = spec.kubernetes.get(label, {})
    if "dag" in tree:
        tasks = {name: _task(spec, task) for name, task in tree["dag"]["tasks"].items()}
        tree["dag"] = {**tree["dag"], "tasks": tasks}
    return tree


def _task(spec: Spec, task: Tree) -> Tree:
    tree = {key: value for key, value in task.items() if key != "componentRef"}
    tree["component"] = _component(spec, spec.component_of(task))
    tree["dependentTasks"] = sorted(tree.get("dependentTasks", []))
    return tree
