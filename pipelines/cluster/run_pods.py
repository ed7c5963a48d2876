"""Reads the pods of a run, and its Argo Workflow, with the user's kubeconfig."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Console

from judgeloop.cluster.answers import ListedPod, Workload, checked_items, moment_of, tree_of
from judgeloop.cluster.kubernetes import Tree
from judgeloop.cluster.workloads import workloads_path
from judgeloop.ops.pods.late import Pods, entry_of, late, reason_of
from judgeloop.ops.pods.queue import is_gated, with_reasons
from judgeloop.ops.pods.waiting import LABEL, Pod, created, place_of, task_of
from judgeloop.ops.pods.workflow import Workflow, absent_pods, parse_workflow, workflow_path
from judgeloop.schema.errors import ClusterError
from pipelines.cluster.kubernetes_api import TIMEOUT_S, PersonsCluster, core_api
from pipelines.cluster.progress import LoopOfRun
from pipelines.cluster.server import Kubeflow
from pipelines.plain import print_plain


class Seen(NamedTuple):
    """The state of a run in Kubernetes."""

    found: Pods
    """Its pods, and those that were never created, as far as the Workflow may be read."""
    message: str
    """Argo's message on why the whole Workflow ended; empty if unknown."""


def look_at(run_id: str, namespace: str) -> Seen:
    """Returns the pods of a run, completed by its Workflow if that may be read.

    Raises:
        ClusterError: The pods cannot be listed; the message has the kubectl command.
    """
    found = run_pods(run_id, namespace)
    workflow = read_workflow(run_id, namespace)
    more = absent_pods(workflow, found.pods) if workflow else ()
    pods = sorted([*found.pods, *more], key=created)
    if any(map(is_gated, pods)):
        pods = with_reasons(pods, _workloads(namespace))
    return Seen(Pods(pods, found.at), workflow.message if workflow else "")


def _workloads(namespace: str) -> list[Tree]:
    """Returns the Workloads of a namespace; none where they may not be read."""
    try:
        answer = PersonsCluster(namespace).ask(workloads_path(namespace))
        return list(checked_items(answer, Workload))
    except ClusterError:
        return []


def read_workflow(run_id: str, namespace: str) -> Workflow | None:
    """Returns the Workflow of a run; None if it is gone or may not be read."""
    try:
        return parse_workflow(PersonsCluster(namespace).ask(workflow_path(namespace, run_id)))
    except ClusterError:
        return None


def run_pods(run_id: str, namespace: str, by_hand: str = "") -> Pods:
    """Returns the pods of a run, oldest first, as Kubernetes' API has them.

    Args:
        run_id: The run.
        namespace: Where its pods are.
        by_hand: The kubectl command for the error.

    Raises:
        ClusterError: Kubernetes cannot be reached; the message has the kubectl command.
    """
    selector = f"{LABEL}={run_id}"
    by_hand = by_hand or f"kubectl get pods -n {namespace} -l {selector}"
    with core_api(f"the pods of run {run_id} in namespace {namespace}", by_hand) as api:
        answer = api.list_namespaced_pod(
            namespace, label_selector=selector, _preload_content=False, _request_timeout=TIMEOUT_S
        )
    return read_pods(answer.data, answer.headers.get("Date"))


def read_pods(answer: bytes, date: str | None) -> Pods:
    """Reads a list of pods.

    Args:
        answer: A PodList.
        date: Its HTTP `Date` header.

    Raises:
        ClusterError: It is not such a list, or has no date.
    """
    pods: list[Pod] = list(checked_items(tree_of(answer), ListedPod))
    at = moment_of(date)
    return Pods(sorted(pods, key=lambda pod: (created(pod), pod["metadata"]["name"])), at)


def end_late_run(
    server: Kubeflow, run_id: str, loop: LoopOfRun | None, pods: Pods, within_s: float,
    console: Console,
) -> bool:  # fmt: skip
    """Ends a run whose pod was not started in time; returns whether there is one.

    The run's own watcher does the same (`judgeloop.ops.pods.watch`), unless it lacks a permission
    or is never started itself. The reason is first recorded in the ledger, as a failure that
    another run would repeat: so the exit handler, which Kubeflow starts after that, starts no
    further run.

    Args:
        server: The server.
        run_id: The run.
        loop: Its loop; None if the ledger cannot be reached from here.
        pods: Its pods.
        within_s: `start_within_s` of the profile.
        console: Output for the reason.
    """
    pod = late(pods, within_s)
    if pod is None:
        return False
    reason = reason_of(pod, within_s)
    print_plain(console, f"{task_of(pod)}: {reason}; ending run {run_id}")
    if loop:
        loop.ledger.record(entry_of(place_of(pod), loop.first, reason))
    server.terminate(run_id)
    return True
