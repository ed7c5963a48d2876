"""What can be known of a cluster before a run: the server, its version, and the quota.

The pipeline's first task looks at the version and the quota again, from inside, and at the rest:
store, registry, secrets, model and clock (`judgeloop.ops.doctor`), before any GPU is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console

from judgeloop.ops.doctor.preflight import Finding, look
from judgeloop.ops.doctor.quota import check_room
from judgeloop.ops.doctor.release import check_release
from judgeloop.schema.errors import PreflightError
from pipelines.cluster.quota import read_quotas
from pipelines.cluster.server import Kubeflow
from pipelines.plain import print_plain
from pipelines.profile import Profile


def examine_cluster(server: Kubeflow, profile: Profile, console: Console) -> None:
    """Prints one line a check. What we are not told is shown as unknown, and is no failure.

    Raises:
        PreflightError: The server is too old, or a task of the profile would never be started;
            names the version or the quota.
    """
    connection = server.connection
    namespace = connection.namespace or "kubeflow"
    checks: list[tuple[str, Callable[[], str]]] = [
        ("server", lambda: f"{connection.host} speaks v2beta1 and lets us in"),
        ("version", lambda: check_release(server.release)),
        ("quota", lambda: check_room(profile.asked(), namespace, read_quotas(namespace))),
    ]
    for name, check in checks:
        finding: Finding = look(name, check)
        if finding.state == "FAILED":
            raise PreflightError(finding.said)
        print_plain(console, str(finding))
