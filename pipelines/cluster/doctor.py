"""What can be known of a cluster before a run: the server, its version, and the quota.

The rest, store, registry, secrets, model and clock, is seen from inside only: the pipeline's first
task looks (`judgeloop.doctor`), before any GPU is asked for.
"""

from __future__ import annotations

from rich.console import Console

from judgeloop.errors import ClusterError, PreflightError
from pipelines.cluster.quota import read_quotas, shortages
from pipelines.cluster.server import Kubeflow
from pipelines.cluster.version import MINIMUM, is_too_old
from pipelines.plain import print_plain
from pipelines.profile import Profile


def examine_cluster(server: Kubeflow, profile: Profile, console: Console) -> None:
    """Prints one line a check. What we are not told is shown as unknown, and is no failure.

    Raises:
        PreflightError: The server is too old, or a task of the profile would never be started;
            names the version or the quota.
    """
    connection = server.connection
    _line(console, "server", "ok", f"{connection.host} speaks v2beta1 and lets us in")
    _line(console, "version", *_stand_of(server.release))
    namespace = connection.namespace or "kubeflow"
    try:
        quotas = read_quotas(namespace)
    except ClusterError as error:
        _line(console, "quota", "unknown", str(error))
        return
    found = list(shortages(profile, quotas))
    if found:
        raise PreflightError("the profile does not fit: " + "; ".join(found))
    said = f"every task fits into each of the {len(quotas)} quota(s) of {namespace}"
    _line(console, "quota", "ok", said)


def _stand_of(version: str | None) -> tuple[str, str]:
    """Returns how a server's version stands, and what is said of it."""
    least = ".".join(map(str, MINIMUM))
    if version is None:
        return "unknown", f"the server does not tell its version; it must be {least} or later"
    too_old = is_too_old(version)
    if too_old is None:
        return "unknown", f"{version!r} is no release's name; it must be {least} or later"
    if too_old:
        raise PreflightError(
            f"the server is Kubeflow Pipelines {version}, and the loop needs {least} or later: "
            "have it upgraded, or use another server"
        )
    return "ok", f"Kubeflow Pipelines {version}"


def _line(console: Console, check: str, state: str, said: str) -> None:
    line = f"{check:<9} {state:<7} {said}"
    print_plain(console, line)
