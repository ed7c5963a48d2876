"""Checks the version of Kubeflow Pipelines that a server reports.

The v2beta1 API has no version field, but the server reports its version elsewhere: the API server's
health check returns `tag_name` (kubeflow/pipelines, `backend/src/apiserver/main.go`), and the user
interface, through which many users reach it, repeats that as `apiServerTagName`
(`frontend/server/handlers/healthz.ts`). Images that were built without a name say `unknown`
(kubeflow/pipelines#11573: the official 2.4.0 does).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from judgeloop.cluster.kubernetes import OUTSIDE
from judgeloop.cluster.own_pod import ask, require_pod
from judgeloop.schema.errors import ClusterError, PreflightError

MINIMUM = (2, 17)
"""The version for which the pipeline is compiled. Up to 2.16, loops, conditions and sub-pipelines,
of which it consists, never ended in the server's own state (kubeflow/pipelines#11979, fixed by
#13322 in 2.17)."""
LEAST = ".".join(map(str, MINIMUM))
KUBEFLOW = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
"""Address at which KFP's own client looks for the server in a pod."""
FIELDS = ("tag_name", "apiServerTagName")
UNNAMED = ("", "unknown")
_RELEASE = re.compile(r"v?(\d+)\.(\d+)\b")


def reported_version(health: Mapping[str, Any]) -> str | None:
    """Returns the version in the answer of a health check, or None if there is none.

    Args:
        health: The answer, of the API server itself or of the user interface before it.
    """
    said = [health[name] for name in FIELDS if isinstance(health.get(name), str)]
    return next((each for each in said if each not in UNNAMED), None)


def is_too_old(version: str) -> bool | None:
    """Whether a release is below the minimum; None for other texts, such as a commit.

    A release candidate counts as its release: it has the needed features.
    """
    found = _RELEASE.match(version)
    return (int(found[1]), int(found[2])) < MINIMUM if found else None


def check_release(version: str | None) -> str:
    """Checks that a server is recent enough.

    Args:
        version: The version that the server reports (`reported_version`).

    Raises:
        ClusterError: It reports no version, or something else.
        PreflightError: It is too old; the message says what to do.
    """
    if version is None:
        raise ClusterError(f"the server does not tell its version; it must be {LEAST} or later")
    too_old = is_too_old(version)
    if too_old is None:
        raise ClusterError(f"{version!r} is not a version; it must be {LEAST} or later")
    if too_old:
        raise PreflightError(
            f"the server is Kubeflow Pipelines {version}, and the loop needs {LEAST} or later: "
            "have it upgraded, or use another server"
        )
    return f"Kubeflow Pipelines {version}"


def ask_release() -> str | None:
    """Returns the version that Kubeflow Pipelines reports; None if it reports none.

    Raises:
        ClusterError: This is not a pod, or the server's health cannot be read.
    """
    require_pod()
    address = (os.environ.get("KF_PIPELINES_ENDPOINT") or KUBEFLOW).rstrip("/")
    authority = os.environ.get("KF_PIPELINES_CA_CERT") or None
    try:
        answer = ask(f"{address}/apis/v2beta1/healthz", authority)
        return reported_version(msgspec.json.decode(answer, type=dict[str, Any]))
    except ValueError:  # not JSON, or not a text
        reason = "what answers is not its API"
    except ClusterError as error:
        reason = str(error)
    host = urlsplit(address).netloc.rpartition("@")[2] or "KF_PIPELINES_ENDPOINT"
    raise ClusterError(
        f"{host} does not tell its version ({reason}); it must be {LEAST} or later. {OUTSIDE}"
    )
