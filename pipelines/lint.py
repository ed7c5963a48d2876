"""Checks a compiled pipeline for what the compiler lets through.

KFP 2.17.0 writes broken specifications in ordinary situations without a word (a resource parameter
on a task directly inside a loop; a loop over a task's list of records), and neither its loader nor
its local runner minds. On top come the rules of this project: what must not be cached, and the
constructs that give wrong results locally or on a resumed run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.profile import UNCACHED
from pipelines.spec import Spec, Tree, read_spec

_READ_BY_CONDITION = re.compile(r"inputs\.parameter_values\['([^']+)'\]")
_KINDS = {
    # kind: reference to the graph's own input, to another task's output, key of that output
    "parameters": ("componentInputParameter", "taskOutputParameter", "outputParameterKey"),
    "artifacts": ("componentInputArtifact", "taskOutputArtifact", "outputArtifactKey"),
}


def lint(path: Path) -> list[str]:
    """Returns what is wrong with a compiled pipeline, one sentence each; nothing if it is sound."""
    spec = read_spec(path)
    found = [*_schema(spec), *_executors(spec)]
    for where, graph in spec.graphs():
        found += _alternatives(where, graph)
        for name, task in graph["dag"]["tasks"].items():
            place = f"{where}/{name}"
            found += _inputs(spec, graph, place, task)
            found += _missing(spec, place, task)
            found += _condition(place, task)
            found += _loop(place, task)
            found += _caching(spec, place, task)
    return found


def _schema(spec: Spec) -> Iterator[str]:
    """Fields that the specification's protobuf messages don't know."""
    from google.protobuf import json_format
    from kfp.kubernetes import kubernetes_executor_config_pb2 as kubernetes
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    # The deployment is an open structure inside PipelineSpec, so it needs a check of its own.
    documents = [
        ("pipeline", spec.pipeline, messages.PipelineSpec()),
        ("deploymentSpec", spec.pipeline["deploymentSpec"], messages.PipelineDeploymentConfig()),
        *(
            (f"kubernetes/{label}", settings, kubernetes.KubernetesExecutorConfig())
            for label, settings in spec.kubernetes.items()
        ),
    ]
    for where, document, message in documents:
        try:
            json_format.ParseDict(document, message)
        except json_format.ParseError as error:
            yield f"{where}: {error}"


def _executors(spec: Spec) -> Iterator[str]:
    for name, component in spec.components.items():
        if "dag" not in component and component.get("executorLabel") not in spec.executors:
            yield f"{name}: has no executor"


def _inputs(spec: Spec, graph: Tree, place: str, task: Tree) -> Iterator[str]:
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


def _condition(place: str, task: Tree) -> Iterator[str]:
    """A condition reads inputs of its own task, and of a task's outputs only the unnamed one."""
    given = task.get("inputs", {}).get("parameters", {})
    for key in _READ_BY_CONDITION.findall(task.get("triggerPolicy", {}).get("condition", "")):
        if key not in given:
            yield f"{place}: the condition reads {key}, which is no input of the task"
            continue
        output = given[key].get("taskOutputParameter", {}).get("outputParameterKey", "Output")
        if output != "Output":
            yield (
                f"{place}: the condition reads the named output {output}, which the local runner "
                "takes for false; let a gate component return one value"
            )


def _alternatives(where: str, graph: Tree) -> Iterator[str]:
    """No OneOf: a resumed run whose branch is wholly cached fails on it."""
    outputs = graph["dag"].get("outputs", {})
    for key, output in outputs.get("parameters", {}).items():
        if "valueFromOneof" in output:
            yield f"{where}: output {key} is a OneOf; let the tasks after it read the ledger"
    for key, output in outputs.get("artifacts", {}).items():
        if len(output.get("artifactSelectors", [])) > 1:
            yield f"{where}: output {key} is a OneOf; let the tasks after it read the ledger"


def _loop(place: str, task: Tree) -> Iterator[str]:
    """A loop's body gets no parameter of an outer task: locally it would be the loop item."""
    if "parameterIterator" not in task:
        return
    items = task["parameterIterator"].get("items", {}).get("inputParameter")
    for key, source in task.get("inputs", {}).get("parameters", {}).items():
        if "taskOutputParameter" in source and key != items:
            yield (
                f"{place}: the loop body uses {key}, a parameter made by a task outside; put the "
                "loop into a sub-pipeline that gets the value as an input"
            )


def _caching(spec: Spec, place: str, task: Tree) -> Iterator[str]:
    label = spec.component_of(task).get("executorLabel")
    arguments = spec.executors.get(label, {}).get("container", {}).get("args", [])
    if "--function_to_execute" not in arguments:
        return
    function = arguments[arguments.index("--function_to_execute") + 1]
    if function in UNCACHED and task.get("cachingOptions", {}).get("enableCache"):
        yield f"{place}: {function} must not be cached; see pipelines/profile.py"
