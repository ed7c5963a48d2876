"""Asks Kubernetes for what the API of Kubeflow Pipelines does not offer: quota and logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from judgeloop.cluster.answers import tree_of
from judgeloop.cluster.kubernetes import RefusedError, Tree
from judgeloop.cluster.own_pod import IN_POD
from judgeloop.schema.errors import ClusterError
from pipelines.cluster.server import message_of

TIMEOUT_S = 5
JSON = "application/json"


class PersonsCluster:
    """A namespace, reached with the user's kubeconfig (`judgeloop.cluster.kubernetes.Cluster`).

    Args:
        namespace: The namespace.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        """Requests a path of the API and returns the answer; posts an object if one is given.

        Raises:
            RefusedError: The API answers with an error.
            ClusterError: There is no kubeconfig, or Kubernetes does not answer.
        """
        import kubernetes

        with core_api(f"namespace {self.namespace}", f"kubectl get --raw '{path}'") as api:
            place, _, query = path.partition("?")
            try:
                answer = api.api_client.call_api(
                    place, "POST" if body else "GET", query_params=parse_qsl(query), body=body,
                    header_params={"Accept": JSON, "Content-Type": JSON},
                    auth_settings=["BearerToken"], _preload_content=False,
                    _return_http_data_only=True, _request_timeout=TIMEOUT_S,
                )  # fmt: skip
            except kubernetes.client.ApiException as error:
                raise RefusedError(error.status, message_of(error)) from None
            return tree_of(answer.data)


@contextmanager
def core_api(what: str, by_hand: str) -> Iterator[Any]:
    """Yields the core API (`kubernetes.client.CoreV1Api`) of the cluster that kubectl uses.

    Args:
        what: The requested object, as the subject of an error.
        by_hand: The equivalent kubectl command, for the error.

    Raises:
        ClusterError: There is no kubeconfig and this is no pod, Kubernetes does not answer, or it
            refuses us; whether on opening or while the API is used.
    """
    import kubernetes
    import urllib3
    import yaml

    host = "the cluster"
    try:
        settings = _settings()
        settings.retries = False
        host = settings.host
        with kubernetes.client.ApiClient(settings) as client:
            yield kubernetes.client.CoreV1Api(client)
    except kubernetes.client.ApiException as error:
        reason = f"{error.status}: {message_of(error)}"
    except urllib3.exceptions.HTTPError:
        reason = f"{host} does not answer"
    except (kubernetes.config.ConfigException, yaml.YAMLError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
    else:
        return
    raise ClusterError(
        f"{what} cannot be read ({reason}): check KUBECONFIG and its context, or ask `{by_hand}` "
        "with an account that may"
    )


def _settings() -> Any:
    """The settings of `$KUBECONFIG` or `~/.kube/config`, as for kubectl, else those of a pod."""
    import kubernetes

    settings = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_kube_config(
            os.environ.get("KUBECONFIG") or None, client_configuration=settings
        )
    except kubernetes.config.ConfigException:
        if IN_POD not in os.environ:
            raise
        kubernetes.config.load_incluster_config(client_configuration=settings)
    return settings
