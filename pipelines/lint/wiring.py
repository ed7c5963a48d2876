"""Every input of a task comes from somewhere, and every component has an executor."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.spec import Spec, Tree

_KINDS = {
    # kind: reference to the graph's own input, to another task's output, key of that output
    "parameters": ("componentInputParameter", "taskOutputParameter", "outputParameterKey"),
    "artifacts": ("componentInputArtifact", "taskOutputArtifact", "outputArtifactKey"),
}


def executors(spec: Spec) -> Iterator[str]:
    """Every component that is not a graph has an executor."""
    for name, component in spec.components.items():
        if "dag" not in component and component.get("executorLabel") not in spec.executors:
            yield f"{name}: has no executor"


def inputs(spec: Spec, graph: Tree, place: str, task: Tree) -> Iterator[str]:
    """Every input is declared, made and waited for, and every required one is given."""
    yield from _sources(spec, graph, place, task)
    yield from _settings(spec, graph, place, task)
    yield from _missing(spec, place, task)


def _sources(spec: Spec, graph: Tree, place: str, task: Tree) -> Iterator[str]:
    """Every input of a task comes from a declared input or from a task that it waits for."""
    tasks = graph["dag"]["tasks"]
    for kind, (own, other, output_key) in _KINDS.items():
        declared = graph.get("inputDefinitions", {}).get(kind, {})
        for key, source in task.get("inputs", {}).get(kind, {}).items():
            if own in source and source[own] not in declared:
                yield f"{place}: input {key} reads {source[own]}, which the graph does not declare"
            if other not in source:
                continue
            producer, output = source[other]["producerTask"], source[other][output_key]
            if producer not in task.get("dependentTasks", []):
                yield f"{place}: input {key} uses {producer} without waiting for it"
            made = spec.component_of(tasks[producer]).get("outputDefinitions", {}).get(kind, {})
            if output not in made:
                yield f"{place}: input {key} reads {output}, which {producer} does not make"


def _missing(spec: Spec, place: str, task: Tree) -> Iterator[str]:
    """Every input that a component requires is given."""
    iterator = task.get("parameterIterator", task.get("artifactIterator", {}))
    for kind in _KINDS:
        given = set(task.get("inputs", {}).get(kind, {})) | {iterator.get("itemInput")}
        wanted = spec.component_of(task).get("inputDefinitions", {}).get(kind, {})
        for key, definition in wanted.items():
            if key not in given and not definition.get("isOptional"):
                yield f"{place}: the required input {key} is not given"


def _settings(spec: Spec, graph: Tree, place: str, task: Tree) -> Iterator[str]:
    """Kubernetes settings from run parameters are inputs of the task's graph."""
    declared = graph.get("inputDefinitions", {}).get("parameters", {})
    label = spec.component_of(task).get("executorLabel")
    for name in sorted(set(_read_by(spec.kubernetes.get(label, {}))) - set(declared)):
        yield f"{place}: its Kubernetes settings read {name}, which the graph does not declare"


def _read_by(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "componentInputParameter":
                yield value
            else:
                yield from _read_by(value)
    elif isinstance(node, list):
        for value in node:
            yield from _read_by(value)
