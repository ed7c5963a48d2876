"""Estimates the size of a run's Argo object before it is submitted.

Argo keeps one object per run: its specification, and the status of every node, which it compresses
once the whole exceeds 1 MiB. If it is still larger then, the run ends without a report. The counts
of nodes and pods follow from the compiled graph. The sizes were fitted to runs of this pipeline on
Kubernetes 1.34 with Kubeflow Pipelines 2.17 and Argo 4.0 (tests/unit/test_estimate.py compares them
with the recorded figures): a driver's patch of the pod is stored several times per task, and is
most of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from judgeloop.ops.pods.waiting import WATCH
from pipelines.lint.tasks import function_of
from pipelines.spec import Spec, Tree

LIMIT = 1 << 20
"""Bytes of the whole object; KFP installs no off-loading."""
ALLOWED = 0.8
"""Share of the limit above which nothing is compiled for a cluster."""
SPECIFICATION_BASE, SPECIFICATION_PER_BYTE = 47_500, 1.275
"""Coefficients for the object's specification, by the bytes of the package as JSON."""
NODE_RAW, NODE_COMPRESSED = 1_025, 361
"""Bytes of a node without those from the patch."""
PATCH_BASE = 3_400
"""Bytes of a task's patch beside its container and its component."""
PATCH_RAW, PATCH_COMPRESSED = 8.5, 0.74
"""Bytes of status per byte of patch."""
PATCH_COMPRESSED_AGAIN = 0.46
"""The same in a loop over partitions, whose tasks are alike."""


@dataclass(frozen=True)
class Estimate:
    """The size of a run in which every gate opens and every partition runs; sizes in bytes."""

    nodes: int
    pods: int
    specification: int
    compressed: int
    """The status of all nodes, compressed."""
    raw: int
    """The same, uncompressed."""
    watching: int = 0
    """Number of pods of the watcher (`pipelines.watching`)."""

    @property
    def total(self) -> int:
        """The maximum size of the object."""
        return self.specification + self.compressed

    @property
    def fits(self) -> bool:
        """Whether the object stays below the allowed share of the limit."""
        return self.total <= ALLOWED * LIMIT

    @property
    def freezes(self) -> bool:
        """Whether Kubeflow's list of tasks stops updating at some task.

        Its API server does not unpack compressed nodes.
        """
        return self.specification + self.raw > LIMIT

    def __str__(self) -> str:
        """Returns one line for a person."""
        watcher = f" ({self.watching} of them the watcher's)" if self.watching else ""
        return (
            f"{self.pods} pods{watcher}, {self.nodes} nodes; Argo's object: specification "
            f"{_kilobytes(self.specification)} + status {_kilobytes(self.compressed)} compressed "
            f"({_kilobytes(self.raw)} raw) = {self.total / LIMIT:.0%} of the limit"
        )


@dataclass(frozen=True)
class _Leaf:
    patch: int
    in_loop: bool
    watches: bool


def estimate(spec: Spec) -> Estimate:
    """Estimates the object of a run of a compiled pipeline."""
    # The entry point, the root with its driver, and the exit handler's hook.
    nodes, pods, leaves = 8, 1, list(_leaves(spec, spec.pipeline["root"], in_loop=False))
    for graph_nodes, graph_pods in _graphs(spec, spec.pipeline["root"]):
        nodes, pods = nodes + graph_nodes, pods + graph_pods
    nodes, pods = nodes + 6 * len(leaves), pods + 2 * len(leaves)
    package = len(json.dumps([spec.pipeline, spec.platform], separators=(",", ":")))
    once = sum(leaf.patch for leaf in leaves if not leaf.in_loop)
    again = sum(leaf.patch for leaf in leaves if leaf.in_loop)
    return Estimate(
        nodes=nodes,
        pods=pods,
        specification=round(SPECIFICATION_BASE + SPECIFICATION_PER_BYTE * package),
        compressed=status_compressed(nodes, once, again),
        raw=round(NODE_RAW * nodes + PATCH_RAW * (once + again)),
        watching=2 * sum(leaf.watches for leaf in leaves),
    )


def status_compressed(nodes: int, once: int, again: int) -> int:
    """Returns the size of the compressed status.

    Args:
        nodes: How many nodes there are.
        once: Bytes of the patches of all tasks outside loops.
        again: The same inside loops.
    """
    patches = PATCH_COMPRESSED * once + PATCH_COMPRESSED_AGAIN * again
    return round(NODE_COMPRESSED * nodes + patches)


def _leaves(spec: Spec, graph: Tree, *, in_loop: bool) -> Iterator[_Leaf]:
    """Yields every task that runs a container, as often as it runs."""
    for task in graph["dag"]["tasks"].values():
        component = spec.component_of(task)
        if "dag" not in component:
            watches = function_of(_container(spec, component)) == WATCH
            yield _Leaf(_patch(spec, component, task), in_loop, watches)
            continue
        items = _items(task)
        yield from [*_leaves(spec, component, in_loop=in_loop or items > 0)] * (items or 1)


def _graphs(spec: Spec, graph: Tree) -> Iterator[tuple[int, int]]:
    """Yields (nodes, pods) of every graph inside a graph, without its tasks."""
    for task in graph["dag"]["tasks"].values():
        component = spec.component_of(task)
        if "dag" not in component:
            continue
        items = _items(task)
        # A graph is a driver and itself, each in a wrapper that retries. A loop is a driver, itself
        # and its group, and each of its items two graphs, of which one has a driver.
        yield (5 + 6 * items, 1 + items) if items else (4, 1)
        yield from [*_graphs(spec, component)] * (items or 1)


def _items(task: Tree) -> int:
    iterator = task.get("parameterIterator")
    return len(json.loads(iterator["items"]["raw"])) if iterator else 0


def _container(spec: Spec, component: Tree) -> Tree:
    found: Tree = spec.executors[component["executorLabel"]]["container"]
    return found


def _patch(spec: Spec, component: Tree, task: Tree) -> int:
    container = _container(spec, component)
    return PATCH_BASE + sum(len(json.dumps(each)) for each in (container, component, task))


def _kilobytes(size: int) -> str:
    return f"{size / 1000:,.0f} KB"
