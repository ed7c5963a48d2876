"""The Kubernetes API as checks use it, with a pod's service account or a user's kubeconfig."""

from __future__ import annotations

from typing import Any, Protocol

from judgeloop.schema.errors import ClusterError

OUTSIDE = "`make doctor-kubeflow PROFILE=...` looks from outside"
NOT_FOUND = 404
Tree = dict[str, Any]


class RefusedError(ClusterError):
    """An API answered with an error.

    Args:
        status: The HTTP status: 403 without permission, 404 where there is no such object.
        said: The answer's message.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(f"{status}: {said}")
        self.status = status
        self.said = said


class Cluster(Protocol):
    """A namespace of Kubernetes."""

    namespace: str

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        """Requests a path, such as `/api/v1/nodes`, and returns the answer.

        Args:
            path: Path in the API, with the query.
            body: An object to post; None only reads.

        Raises:
            RefusedError: The API answers with an error.
            ClusterError: It does not answer.
        """
        ...


class FailFastCluster:
    """A namespace that fails fast: once it has not answered, later calls raise without a request.

    Args:
        cluster: The namespace.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.namespace = cluster.namespace
        self._cluster = cluster
        self._silence: ClusterError | None = None

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        """Returns the answer of a path, or raises the earlier failure at once."""
        if self._silence:
            raise self._silence
        try:
            return self._cluster.ask(path, body)
        except RefusedError:
            raise
        except ClusterError as error:
            self._silence = error
            raise


def find(cluster: Cluster, path: str) -> Tree | None:
    """Returns an object, or None if there is none of that name.

    Raises:
        ClusterError: It cannot be determined: no permission, or no answer.
    """
    try:
        return cluster.ask(path)
    except RefusedError as error:
        if error.status == NOT_FOUND:
            return None
        raise
