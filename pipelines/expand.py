"""Gives each task of a compiled pipeline a component of its own name, for the local runner.

KFP 2.17's local runner writes a task's outputs into a folder named after the task's *component*. A
package in which tasks share components (`pipelines.smaller`) would let a later task overwrite the
outputs of an earlier one before others have read them. On a cluster outputs are stored by task.
"""

from __future__ import annotations

import copy

from pipelines.spec import Spec, Tree


def expand_components(spec: Spec) -> None:
    """Replaces shared components by copies, each named after its task, in place."""
    shared = dict(spec.components)
    spec.components.clear()
    for task_name, task in spec.pipeline["root"]["dag"]["tasks"].items():
        _expand(spec, shared, task_name, task)


def _expand(spec: Spec, shared: Tree, task_name: str, task: Tree) -> None:
    component = copy.deepcopy(shared[task["componentRef"]["name"]])
    name = _free_name(spec, f"comp-{task_name}")
    spec.components[name] = component
    task["componentRef"]["name"] = name
    for inner_name, inner in component.get("dag", {}).get("tasks", {}).items():
        _expand(spec, shared, inner_name, inner)


def _free_name(spec: Spec, wanted: str) -> str:
    name, number = wanted, 1
    while name in spec.components:
        number += 1
        name = f"{wanted}-{number}"
    return name
