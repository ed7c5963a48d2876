"""Which version of Kubeflow Pipelines a server is, as far as it says.

The document of the v2beta1 API knows no version, and the server tells one all the same: the API
server's health check answers `tag_name` (kubeflow/pipelines, `backend/src/apiserver/main.go`), and
the user interface, by way of which many users reach it, repeats that as `apiServerTagName`
(`frontend/server/handlers/healthz.ts`). Images that were built without a name say `unknown`
(kubeflow/pipelines#11573: the official 2.4.0 does).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judgeloop.schema.errors import ClusterError, PreflightError

MINIMUM = (2, 17)
"""What the pipeline is compiled for. Up to 2.16 loops, conditions and sub-pipelines, of which it
consists, never came to an end in the server's own state (kubeflow/pipelines#11979, fixed by #13322
in 2.17)."""
LEAST = ".".join(map(str, MINIMUM))
FIELDS = ("tag_name", "apiServerTagName")
UNNAMED = ("", "unknown")
_RELEASE = re.compile(r"v?(\d+)\.(\d+)\b")


def told_version(health: Mapping[str, Any]) -> str | None:
    """Returns the version in the answer of a health check, or None if there is none.

    Args:
        health: The answer, of the API server itself or of the user interface before it.
    """
    said = [health[name] for name in FIELDS if isinstance(health.get(name), str)]
    return next((each for each in said if each not in UNNAMED), None)


def is_too_old(version: str) -> bool | None:
    """Whether a release is below the minimum; None for what is no release, such as a commit.

    A release candidate counts as its release: it has what we need.
    """
    found = _RELEASE.match(version)
    return (int(found[1]), int(found[2])) < MINIMUM if found else None


def check_release(version: str | None) -> str:
    """Says that a server is recent enough.

    Args:
        version: The version that the server reports (`told_version`).

    Raises:
        ClusterError: It does not tell, or what it tells is not a version.
        PreflightError: It is too old; says what to do.
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
