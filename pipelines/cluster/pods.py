"""The logs of a run's pods, read from Kubernetes: the v2beta1 API has none."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from pipelines.cluster.kubernetes_api import TIMEOUT_S, core_api
from pipelines.cluster.server import message_of
from pipelines.plain import print_plain

LABEL = "pipeline/runid"
"""KFP puts it on every pod of a run (kubeflow/pipelines, `LabelKeyWorkflowRunId`)."""
CONTAINER = "main"
"""Argo's name for the container in which the task runs; beside it are those that wait and fetch."""
SILENCE_S = 60
"""How long a log may pause on its way."""


def show_pod_logs(run_id: str, namespace: str, console: Console) -> int:
    """Prints the logs of a run's pods, oldest first, each line with its pod's name.

    Pods that drove a task and succeeded are left out: what they log is KFP's own.

    Returns:
        How many pods there were.

    Raises:
        ClusterError: Kubernetes cannot be asked; says how to ask by hand.
    """
    selector = f"{LABEL}={run_id}"
    by_hand = f"kubectl logs -n {namespace} -l {selector} -c {CONTAINER} --prefix --tail=-1"
    with core_api(f"the pods of run {run_id} in namespace {namespace}", by_hand) as api:
        pods = api.list_namespaced_pod(
            namespace, label_selector=selector, _request_timeout=TIMEOUT_S
        ).items
        pods.sort(key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name))
        for pod in pods:
            if "-driver-" not in pod.metadata.name or pod.status.phase != "Succeeded":
                _show(api, pod, namespace, console)
    return len(pods)


def _show(api: Any, pod: Any, namespace: str, console: Console) -> None:
    import kubernetes

    name = pod.metadata.name
    prefix = f"[pod/{name}/{CONTAINER}]"
    try:
        log = api.read_namespaced_pod_log(
            name, namespace, container=CONTAINER, _preload_content=False,
            _request_timeout=(TIMEOUT_S, SILENCE_S),
        )  # fmt: skip
    except kubernetes.client.ApiException as error:  # such as one that waits for its node
        said = f"{prefix} {pod.status.phase}, no log: {message_of(error)}"
        print_plain(console, said)
        return
    log.auto_close = False
    with io.TextIOWrapper(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            said = f"{prefix} {line.rstrip()}"
            print_plain(console, said)
