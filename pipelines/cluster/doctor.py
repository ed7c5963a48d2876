"""What can be known of a cluster before a run: the server, who we are there, and the quota.

The rest, store, registry, secrets, model and clock, is seen from inside only: the pipeline's first
task looks (`judgeloop.doctor`), before any GPU is asked for.
"""

from __future__ import annotations

from rich.console import Console

from judgeloop.errors import ClusterError, PreflightError
from pipelines.cluster.quota import read_quotas, shortages
from pipelines.cluster.server import Kubeflow
from pipelines.profile import Profile


def examine_cluster(server: Kubeflow, profile: Profile, console: Console) -> None:
    """Prints one line a check. A quota that we may not read is shown as unknown, and is no failure.

    Raises:
        PreflightError: A task of the profile would never be started; names the quota.
    """
    connection = server.connection
    _line(console, "server", "ok", f"{connection.host} speaks v2beta1 and lets us in")
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


def _line(console: Console, check: str, state: str, said: str) -> None:
    line = f"{check:<9} {state:<7} {said}"
    console.print(line, markup=False, highlight=False, soft_wrap=True)
