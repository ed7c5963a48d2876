"""The Kubeflow Pipelines API, called from a task's pod over plain HTTP, without its client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from judgeloop.cluster.own_pod import ask
from judgeloop.ops.doctor.release import KUBEFLOW
from judgeloop.schema.errors import ClusterError

T = TypeVar("T")
TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Path of a projected token for Kubeflow, if the namespace's administrator gives pods one."""


class KubeflowApi:
    """The v2beta1 API, at `KF_PIPELINES_ENDPOINT` or where Kubeflow's own client looks in a pod."""

    def __init__(self) -> None:
        address = os.environ.get("KF_PIPELINES_ENDPOINT") or KUBEFLOW
        self._address = f"{address.rstrip('/')}/apis/v2beta1"
        self._authority = os.environ.get("KF_PIPELINES_CA_CERT") or None
        self._token = TOKEN.read_text(encoding="utf-8").strip() if TOKEN.exists() else None

    def get(self, path: str, kind: type[T]) -> T:
        """Reads a path.

        Raises:
            RefusedError: The API answers with an error.
            ClusterError: It does not answer, or the answer cannot be parsed.
        """
        return self._read(path, None, kind)

    def post(self, path: str, body: dict[str, Any] | None, kind: type[T]) -> T:
        """Posts an object, or nothing, and reads the answer; raises as `get`."""
        return self._read(path, b"" if body is None else msgspec.json.encode(body), kind)

    def _read(self, path: str, body: bytes | None, kind: type[T]) -> T:
        answer = ask(f"{self._address}/{path}", self._authority, self._token, body)
        try:
            return msgspec.json.decode(answer, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ClusterError(
                f"{self._address}: what answers is not Kubeflow's API ({error})"
            ) from error
