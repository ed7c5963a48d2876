"""The Kubernetes API, called from a pod with its service account.

It uses plain HTTP, since the core imports no client of Kubeflow or Kubernetes. Every failure is a
`ClusterError`.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from judgeloop.cluster.answers import moment_of, tree_of
from judgeloop.cluster.kubernetes import OUTSIDE, RefusedError, Tree
from judgeloop.schema.errors import ClusterError

IN_POD = "KUBERNETES_SERVICE_HOST"
"""An environment variable that Kubernetes sets in every pod."""
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts the token of a pod's service account, the certificate authority and the
namespace."""
TIMEOUT_S = 3.0
MAX_BYTES = 32 << 20
"""Limit of an answer: the list of a run's pods may take some megabytes."""


class OwnCluster:
    """The Kubernetes API, called from a pod with its service account.

    Raises:
        ClusterError: This is not a pod, or it has no service account; the message says what to do.
    """

    def __init__(self) -> None:
        require_pod()
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
        self.at: datetime | None = None
        """When the newest answer was given, by the API's own clock."""

    def ask(self, path: str, body: Tree | None = None) -> Tree:
        """Requests a path and returns the answer; see `judgeloop.cluster.kubernetes`."""
        return self._answer(path, None if body is None else json.dumps(body).encode())

    def delete(self, path: str) -> None:
        """Deletes an object, with what it owns.

        Raises:
            RefusedError, ClusterError: As `ask` raises them.
        """
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        self._answer(path, json.dumps(options).encode(), "DELETE")

    def lines(self, path: str, silence_s: float) -> Iterator[Tree]:
        """Yields the lines of a watch until the API ends the answer.

        Args:
            path: Path in the API, with the query of the watch.
            silence_s: Seconds without data after which the connection counts as lost.

        Raises:
            RefusedError, ClusterError: As `ask` raises them; also when the connection is lost.
        """
        with _opened(self._request(path, None, None), self._authority, silence_s) as answer:
            for line in answer:
                yield tree_of(line)

    @property
    def _authority(self) -> str:
        return str(ACCOUNT / "ca.crt")

    def _request(self, path: str, body: bytes | None, method: str | None) -> _Request:
        return _Request(f"{self._address}{path}", self._token, body, method)

    def _answer(self, path: str, body: bytes | None, method: str | None = None) -> Tree:
        with _opened(self._request(path, body, method), self._authority, TIMEOUT_S) as answer:
            date = answer.headers.get("Date")
            self.at = moment_of(date) if date else None
            return tree_of(answer.read(MAX_BYTES))


class _Request(NamedTuple):
    address: str
    token: str | None = None
    body: bytes | None = None
    method: str | None = None
    """None: POST with a body, GET without one."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirects: the token is for one server, and a login page is no answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def require_pod() -> None:
    """Raises `ClusterError` if this process does not run in a pod of a cluster."""
    if IN_POD not in os.environ:
        raise ClusterError(f"this is not a pod of a cluster. {OUTSIDE}")


def ask(
    address: str, authority: str | None, token: str | None = None, body: bytes | None = None
) -> bytes:
    """Sends a request without any proxy, which would lead out of a cluster; returns the body.

    Args:
        address: URL of the request.
        authority: File with the certificate authority of an https address.
        token: A bearer token.
        body: JSON to post; None only reads.

    Raises:
        ClusterError: There is no answer; the message says why, and never shows the token.
    """
    with _opened(_Request(address, token, body), authority, TIMEOUT_S) as answer:
        found: bytes = answer.read(MAX_BYTES)
        return found


def _trust(authority: str | None) -> ssl.SSLContext:
    """Returns an SSL context that trusts a certificate authority; None for the system's own.

    CPython 3.13 verifies by RFC 5280 to the letter by default and refuses the authorities of many
    clusters, whose certificates lack key identifiers. Without that flag 3.13 verifies as 3.11 and
    3.12 do.
    """
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@contextmanager
def _opened(given: _Request, authority: str | None, timeout_s: float) -> Iterator[Any]:
    """Yields the open answer of a request; errors while it is read are raised like those before."""
    headers = {"Authorization": f"Bearer {given.token}"} if given.token else {}
    try:
        if given.body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(given.address, given.body, headers, method=given.method)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=_trust(authority)),
            _NoRedirects(),
        )
        with opener.open(request, timeout=timeout_s) as answer:
            yield answer
            return
    except urllib.error.HTTPError as error:
        with error:
            raise RefusedError(error.code, _message(error)) from None
    except (OSError, http.client.HTTPException) as error:
        reason = str(getattr(error, "reason", "") or error)
    except ValueError:  # its text may hold the token
        reason = "the address or the token cannot be sent"
    raise ClusterError(reason)


def _message(error: urllib.error.HTTPError) -> str:
    """Returns the message of a refusal, which is JSON if it comes from the API itself."""
    try:
        said = msgspec.json.decode(error.read(MAX_BYTES), type=dict[str, Any]).get("message")
    except (ValueError, RecursionError, OSError, http.client.HTTPException):
        said = None
    return str(said or error.reason)[:300]
