"""Reads Argo's Workflow of a run for what neither Kubeflow's API nor the pods show.

A pod that admission refuses (quota, pod security) is never created, and one that was deleted is
gone: only a node of the Workflow has the message. If the object became too large, the Workflow's
own status has it. It is read if the account may list workflows.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from judgeloop.cluster.answers import Moment
from judgeloop.cluster.kubernetes import Tree
from judgeloop.ops.pods.waiting import LABEL, LOST, NODE_NAME, NOT_CREATED, Pod
from judgeloop.schema.errors import ClusterError

NODE_ID = "workflows.argoproj.io/node-id"
"""Argo's annotation of a pod: its node."""
DELETED = "pod deleted"
"""Argo's message of a node whose pod a drain, a preemption or a person removed (4.0.5)."""
MOST_BYTES = 64 << 20
"""Limit for decompressed nodes; a run that was too large for Argo had 6.6 MB."""


class Node(msgspec.Struct, frozen=True, rename="camel"):
    """One node of the graph."""

    id: str
    name: str
    """Its whole path."""
    type: str
    """`Pod`, or a kind of group such as `Retry` and `DAG`."""
    phase: str = ""
    message: str = ""
    started_at: Moment | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    message: str | None = None
    nodes: dict[str, Node] = {}
    compressed_nodes: str = ""


class _Item(msgspec.Struct, frozen=True):
    status: _Status = _Status()


class _Answer(msgspec.Struct, frozen=True):
    items: list[_Item]


class Workflow(msgspec.Struct, frozen=True):
    """The state of a run in Argo."""

    phase: str
    message: str
    """Why the run as a whole ended; often empty."""
    nodes: list[Node]


def workflow_path(namespace: str, run_id: str) -> str:
    """Returns the API path of a run's Workflow."""
    wanted = quote(f"{LABEL}={run_id}", safe="")
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/workflows?labelSelector={wanted}"


def parse_workflow(answer: Tree) -> Workflow | None:
    """Reads a list with one Workflow; None if it is gone, an hour after its end.

    Raises:
        ClusterError: It is not such a list.
    """
    try:
        items = msgspec.convert(answer, _Answer).items
        if not items:
            return None
        status = items[0].status
        nodes = status.nodes
        if status.compressed_nodes:
            nodes = msgspec.json.decode(_unpacked(status.compressed_nodes), type=dict[str, Node])
    except (msgspec.MsgspecError, ValueError, RecursionError, zlib.error) as error:
        raise ClusterError(f"what answers is not a Workflow of Argo's ({error})") from None
    return Workflow(status.phase, status.message or "", list(nodes.values()))


def _unpacked(text: str) -> bytes:
    """Returns compressed nodes as JSON: Argo writes gzip in base64."""
    unpacking = zlib.decompressobj(wbits=31)
    found = unpacking.decompress(base64.b64decode(text, validate=True), MOST_BYTES)
    if unpacking.unconsumed_tail:
        raise zlib.error(f"more than {MOST_BYTES} bytes")
    return found


def absent_pods(workflow: Workflow, pods: Sequence[Pod]) -> Iterator[Pod]:
    """Yields the pods of a Workflow's nodes that were refused or are gone, as if they existed.

    Args:
        workflow: The Workflow.
        pods: Those that exist.
    """
    there = {pod["metadata"].get("annotations", {}).get(NODE_ID) for pod in pods}
    done = {node.name for node in workflow.nodes if node.phase == "Succeeded"}
    for node in workflow.nodes:
        refused = node.phase in ("Pending", "Error") and node.message
        if node.type != "Pod" or not refused or node.id in there:
            continue
        if node.name.rpartition("(")[0] in done:  # a later attempt succeeded
            continue
        yield _as_pod(node)


def _as_pod(node: Node) -> dict[str, Any]:
    since = node.started_at.isoformat().replace("+00:00", "Z") if node.started_at else ""
    name = {"name": node.id, "creationTimestamp": since}
    status = {
        "phase": "Pending" if node.phase == "Pending" else "Failed",
        "reason": LOST if node.message.startswith(DELETED) else NOT_CREATED,
        "message": node.message,
    }
    return {"metadata": {**name, "annotations": {NODE_NAME: node.name}}, "status": status}
