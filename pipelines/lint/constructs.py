"""Constructs that KFP 2.17 compiles and then runs wrongly, locally or on a resumed run."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.spec import Spec, Tree

_READ_BY_CONDITION = re.compile(r"inputs\.parameter_values\['([^']+)'\]")


def graph_constructs(where: str, graph: Tree) -> Iterator[str]:
    """No OneOf: a resumed run whose branch is wholly cached fails on it."""
    outputs = graph["dag"].get("outputs", {})
    for key, output in outputs.get("parameters", {}).items():
        if "valueFromOneof" in output:
            yield f"{where}: output {key} is a OneOf; let the tasks after it read the ledger"
    for key, output in outputs.get("artifacts", {}).items():
        if len(output.get("artifactSelectors", [])) > 1:
            yield f"{where}: output {key} is a OneOf; let the tasks after it read the ledger"


def task_constructs(spec: Spec, where: str, place: str, task: Tree) -> Iterator[str]:
    """Yields faults of a condition or a loop; `where` names the graph of the task."""
    yield from _condition(place, task)
    yield from _loop(spec, where, place, task)


def _condition(place: str, task: Tree) -> Iterator[str]:
    """A condition reads inputs of its own task, and of a task's outputs only the unnamed one."""
    given = task.get("inputs", {}).get("parameters", {})
    for key in _READ_BY_CONDITION.findall(task.get("triggerPolicy", {}).get("condition", "")):
        if key not in given:
            yield f"{place}: the condition reads {key}, which is not an input of the task"
            continue
        output = given[key].get("taskOutputParameter", {}).get("outputParameterKey", "Output")
        if output != "Output":
            yield (
                f"{place}: the condition reads the named output {output}, which the local runner "
                "takes for false; let a gate component return one value"
            )


def _loop(spec: Spec, where: str, place: str, task: Tree) -> Iterator[str]:
    """A loop's body gets no parameter of an outer task: locally it would be the loop item."""
    if "parameterIterator" not in task:
        return
    items = task["parameterIterator"].get("items", {}).get("inputParameter")
    handed_in = _made_by_tasks(spec, where)
    # Inputs of the enclosing gates are passed to the loop too, and no task in it reads them.
    read = {
        source.get("componentInputParameter")
        for inner in spec.component_of(task)["dag"]["tasks"].values()
        for source in inner.get("inputs", {}).get("parameters", {}).values()
    }
    for key, source in task.get("inputs", {}).get("parameters", {}).items():
        made = "taskOutputParameter" in source or source.get("componentInputParameter") in handed_in
        if made and key in read and key != items:
            yield (
                f"{place}: the loop body uses {key}, a parameter made by a task outside; put the "
                "loop into a sub-pipeline that gets the value as an input"
            )


def _made_by_tasks(spec: Spec, where: str) -> set[str]:
    """Returns the inputs of a condition's or exit handler's graph that are outputs of tasks."""
    return {
        key
        for _, graph in spec.graphs()
        for task in graph["dag"]["tasks"].values()
        if task["componentRef"]["name"] == where
        for key, source in task.get("inputs", {}).get("parameters", {}).items()
        # What a sub-pipeline declares itself has no such name, and is a value like any other.
        if "taskOutputParameter" in source and key.startswith("pipelinechannel--")
    }
