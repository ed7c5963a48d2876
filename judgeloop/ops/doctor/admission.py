"""Checks whether a namespace admits the pods of a loop's tasks, with `dryRun=All`."""

from __future__ import annotations

from judgeloop.cluster.kubernetes import Cluster, RefusedError, Tree
from judgeloop.ops.doctor.kubeflow_pod import kubeflow_pod
from judgeloop.ops.doctor.needs import Needs
from judgeloop.schema.errors import ClusterError, PreflightError

USER = 1000
"""User id of every task, as in the images."""
FORBIDDEN, NOT_FOUND = 403, 404
FULL = "exceeded quota"
"""Message of a quota that is used up now: such a pod waits for others to end."""


def check_admission(needs: Needs, cluster: Cluster, account: str | None = None) -> str:
    """Checks that admission (pod security, quotas, policies) accepts a pod of each kind of task.

    Args:
        needs: The tasks' requirements.
        cluster: The namespace.
        account: The pods' service account; None is the namespace's default one.

    Raises:
        PreflightError: It refuses one; the message says why.
        ClusterError: The account may not create pods, or Kubernetes does not answer.
    """
    refused: list[str] = []
    full: list[str] = []
    for kind in needs.tasks:
        try:
            cluster.ask(
                f"/api/v1/namespaces/{cluster.namespace}/pods?dryRun=All",
                task_pod(kind, needs, account),
            )
        except RefusedError as error:
            if _is_no_verdict(error):
                raise ClusterError(
                    f"admission of our pods is not known ({error}): who may create pods in "
                    f"{cluster.namespace} finds out, with dryRun=All"
                ) from None
            (full if FULL in error.said else refused).append(f"`{kind}`: {error.said}")
    if refused:
        raise PreflightError(f"{cluster.namespace} refuses the pod of {'; '.join(refused)}")
    if full:
        raise ClusterError(f"a quota is full at this moment: {'; '.join(full)}")
    return f"a pod of each kind is admitted ({', '.join(needs.tasks)})"


def _is_no_verdict(error: RefusedError) -> bool:
    """Returns whether an error is about the account, not about the pod."""
    rights = error.status == FORBIDDEN and "cannot create resource" in error.said
    return rights or error.status in (401, NOT_FOUND) or error.status >= 500


def task_pod(kind: str, needs: Needs, account: str | None = None) -> Tree:
    """Returns the pod of a kind of task, as Kubeflow creates it."""
    model = kind != "cpu"
    asked = {name: str(many) for name, many in needs.tasks[kind].items() if str(many) != "0"}
    main = {
        "image": needs.images.get(kind, "judgeloop"),
        "resources": {"requests": asked, "limits": asked},
        "securityContext": {"runAsUser": USER, "runAsNonRoot": True},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    volumes: list[Tree] = [{"name": "tmp", "emptyDir": {}}]
    if model and needs.claim:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": needs.claim}})
    spec: Tree = {"volumes": volumes}
    if account:
        spec["serviceAccountName"] = account
    if model:
        given = [
            {
                name: value
                for name in ("key", "operator", "value", "effect")
                if (value := getattr(each, name))
            }
            for each in needs.tolerations
        ]
        spec |= {"nodeSelector": dict(needs.node_selector), "tolerations": given}
    return kubeflow_pod(f"judgeloop-check-{kind}", main, spec)
