"""Checks a compiled pipeline for errors that the compiler misses, and for the project's rules.

KFP 2.17.0 silently writes broken specifications in ordinary situations (a resource parameter on a
task directly inside a loop; a loop over a task's list of records), and neither its loader nor its
local runner reports them. Further checks cover constructs that give wrong results locally or on a
resumed run, requirements on tasks of a cluster, and contents that must never be in a package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.lint.constructs import graph_constructs, task_constructs
from pipelines.lint.data import data_in_artifacts
from pipelines.lint.schema import unknown_fields
from pipelines.lint.secrets import secrets_of
from pipelines.lint.tasks import task_rules, unpinned_images
from pipelines.lint.wiring import executors, inputs
from pipelines.spec import Spec, read_spec


def lint(path: Path, *, local: bool = False) -> list[str]:
    """Returns what is wrong with a compiled pipeline, one sentence each; nothing if it is sound.

    Args:
        path: The compiled pipeline.
        local: It is for this machine only, where images are not used and need no digest.
    """
    return check(read_spec(path), local=local)


def check(spec: Spec, *, local: bool = False) -> list[str]:
    """Returns what is wrong with a specification that was read; see `lint`."""
    pinned = [] if local else unpinned_images(spec)
    return [*unknown_fields(spec), *executors(spec), *_graphs(spec), *data_in_artifacts(spec),
            *secrets_of(spec), *pinned]  # fmt: skip


def _graphs(spec: Spec) -> Iterator[str]:
    for where, graph in spec.graphs():
        yield from graph_constructs(where, graph)
        for name, task in graph["dag"]["tasks"].items():
            place = f"{where}/{name}"
            yield from inputs(spec, graph, place, task)
            yield from task_constructs(spec, where, place, task)
            yield from task_rules(spec, place, task)
