"""What a task asks of its cluster from inside its pod: Kubeflow's release, Kubernetes' API.

Over plain HTTP, for the core knows no client of Kubeflow's or Kubernetes'. What is not told, for
whatever reason, is a `ClusterError`: a loop may well run all the same.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from judgeloop.ops.doctor.cluster import OUTSIDE, RefusedError, Tree
from judgeloop.ops.doctor.release import LEAST, told_version
from judgeloop.runtime.progress import FILE_VARIABLE
from judgeloop.schema.errors import ClusterError

IN_POD = "KUBERNETES_SERVICE_HOST"
"""A variable that Kubernetes sets in every pod."""
KUBEFLOW = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
"""Where KFP's own client looks for the server in a pod."""
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the token of a pod's service account, its authority and the namespace."""
TIMEOUT_S = 3.0
MAX_BYTES = 4 << 20


def on_cluster() -> bool:
    """Whether this is a task of a cluster's; a local run in a notebook's pod is none."""
    return IN_POD in os.environ and FILE_VARIABLE not in os.environ


def ask_release() -> str | None:
    """Returns the version that Kubeflow Pipelines reports; None if it reports none.

    Raises:
        ClusterError: This is no pod, or the server's health cannot be read.
    """
    _require_pod()
    address = (os.environ.get("KF_PIPELINES_ENDPOINT") or KUBEFLOW).rstrip("/")
    authority = os.environ.get("KF_PIPELINES_CA_CERT") or None
    try:
        answer = ask(f"{address}/apis/v2beta1/healthz", authority)
        return told_version(msgspec.json.decode(answer, type=dict[str, Any]))
    except ValueError:  # no JSON, or no text
        reason = "what answers is not its API"
    except ClusterError as error:
        reason = str(error)
    host = urlsplit(address).netloc.rpartition("@")[2] or "KF_PIPELINES_ENDPOINT"
    raise ClusterError(
        f"{host} does not tell its version ({reason}); it must be {LEAST} or later. {OUTSIDE}"
    )


class OwnCluster:
    """Kubernetes' API as a pod reaches it, by the rights of its service account.

    Raises:
        ClusterError: This is no pod, or it has no service account; says what to do.
    """

    def __init__(self) -> None:
        _require_pod()
        try:
            self.namespace = (ACCOUNT / "namespace").read_text(encoding="utf-8").strip()
            self._token = (ACCOUNT / "token").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ClusterError(
                f"Kubernetes cannot be asked: this pod has no service account in {ACCOUNT}. "
                f"{OUTSIDE}"
            ) from None
        host, port = os.environ[IN_POD], os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        self._address = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        """Returns the answer of a path; see `judgeloop.ops.doctor.cluster`."""
        data = None if body is None else json.dumps(body).encode()
        answer = ask(f"{self._address}{path}", str(ACCOUNT / "ca.crt"), self._token, data)
        try:
            return msgspec.json.decode(answer, type=Tree)
        except ValueError:
            raise ClusterError("what answers is not Kubernetes' API") from None


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: the token is for one server, and a login is no answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _require_pod() -> None:
    if IN_POD not in os.environ:
        raise ClusterError(f"this is not a pod of a cluster. {OUTSIDE}")


def ask(
    address: str, authority: str | None, token: str | None = None, body: bytes | None = None
) -> bytes:
    """Returns the body of an answer, asked for directly: proxies lead out of a cluster.

    Args:
        address: Where to ask.
        authority: File with the certificate authority of an https address.
        token: A bearer token.
        body: JSON to post; None only reads.

    Raises:
        ClusterError: There is none; says why, and never shows the token.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(address, body, headers)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=authority)),
            _StayHere(),
        )
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            found: bytes = answer.read(MAX_BYTES)
            return found
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(error.code, _message(error)) from None
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", "") or error)
    except ValueError:  # its text may hold the token
        reason = "the address or the token cannot be sent"
    raise ClusterError(reason)


def _message(error: urllib.error.HTTPError) -> str:
    """Returns what a refusal says, which is JSON where it comes from an API itself."""
    try:
        said = msgspec.json.decode(error.read(MAX_BYTES), type=dict[str, Any]).get("message")
    except (ValueError, OSError, http.client.HTTPException):
        said = None
    return str(said or error.reason)[:300]
