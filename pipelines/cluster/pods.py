"""The logs of a run's pods, read from Kubernetes: the v2beta1 API has none."""

from __future__ import annotations

import io
import re
from typing import Any

from rich.console import Console

from judgeloop.ops.pods.waiting import CONTAINER, LABEL, explain, is_driver, task_of
from pipelines.cluster.kubernetes_api import TIMEOUT_S, core_api
from pipelines.cluster.run_pods import run_pods
from pipelines.cluster.server import message_of
from pipelines.plain import print_plain

KUBEFLOW = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d|time=\"|\[KFP Executor|WARNING: Running pip")
"""How lines of KFP's launcher (glog), Argo's executor (logfmt) and KFP's own executor begin."""
SILENCE_S = 60
"""Seconds for which a log stream may pause."""


def show_pod_logs(run_id: str, namespace: str, console: Console, *, kfp_lines: bool = False) -> int:
    """Prints the logs of a run's pods, oldest first, each line with its stage.

    Successful driver pods are left out, and so are the lines of KFP's launcher and Argo's executor,
    unless `kfp_lines` is set.

    Returns:
        Number of pods.

    Raises:
        ClusterError: Kubernetes cannot be reached; the message has the kubectl command.
    """
    selector = f"{LABEL}={run_id}"
    by_hand = f"kubectl logs -n {namespace} -l {selector} -c {CONTAINER} --prefix --tail=-1"
    pods = run_pods(run_id, namespace, by_hand).pods
    with core_api(f"the pods of run {run_id} in namespace {namespace}", by_hand) as api:
        for pod in pods:
            if kfp_lines or not is_driver(pod) or _phase(pod) != "Succeeded":
                _show(api, pod, namespace, console, kfp_lines)
    return len(pods)


def _show(api: Any, pod: Any, namespace: str, console: Console, kfp_lines: bool) -> None:
    import kubernetes

    name = pod["metadata"]["name"]
    prefix = f"[{task_of(pod)}]"
    try:
        log = api.read_namespaced_pod_log(
            name, namespace, container=CONTAINER, _preload_content=False,
            _request_timeout=(TIMEOUT_S, SILENCE_S),
        )  # fmt: skip
    except kubernetes.client.ApiException as error:  # such as a pod that waits for its node
        why = explain(pod)
        said = f"{why.reason}: {why.message}" if why else message_of(error)
        print_plain(console, f"{prefix} {_phase(pod)}, no log: {said}")
        return
    log.auto_close = False
    with io.TextIOWrapper(log, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if kfp_lines or not KUBEFLOW.match(line):
                print_plain(console, f"{prefix} {line.rstrip()}")


def _phase(pod: Any) -> str:
    return str(pod.get("status", {}).get("phase", "in an unknown state"))
