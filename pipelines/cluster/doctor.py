"""Checks a cluster before a run, with the permissions of the user who submits.

The pipeline's first task checks the namespace again, from inside, and the rest: store, registry,
variables, model and clock (`judgeloop.ops.doctor`), before any GPU is requested.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.console import Console

from components.images import image
from judgeloop.cluster.kubernetes import FailFastCluster
from judgeloop.ops.doctor.needs import Needs, parse_needs
from judgeloop.ops.doctor.preflight import Finding, examine_namespace, examine_references, run_check
from judgeloop.ops.doctor.quota import check_quotas
from judgeloop.ops.doctor.release import check_release
from judgeloop.ops.doctor.retries import check_retries
from judgeloop.schema.errors import PreflightError
from pipelines.cluster.kubernetes_api import PersonsCluster
from pipelines.cluster.server import Kubeflow
from pipelines.plain import print_plain
from pipelines.profile import Profile


def examine_cluster(
    server: Kubeflow, profile: Profile, console: Console, account: str | None = None
) -> None:
    """Prints one line per check; a result that cannot be determined is not a failure.

    Args:
        server: The server.
        profile: The resources of the tasks.
        console: Output.
        account: The pods' service account, if it is not the server's default.

    Raises:
        PreflightError: The server is too old, or a task of the profile would never be started; the
            message names each failed check.
    """
    failed = []
    for finding in _findings(server, profile, account):
        print_plain(console, str(finding))
        if finding.state == "FAILED":
            failed.append(f"{finding.check}: {finding.said}")
    if failed:
        raise PreflightError("\n  ".join(failed))


def _findings(server: Kubeflow, profile: Profile, account: str | None) -> Iterator[Finding]:
    host, cluster = server.connection.host, FailFastCluster(PersonsCluster(server.namespace))
    needs = needs_of(profile)
    yield Finding("server", "ok", f"{host} speaks v2beta1 and lets us in")
    yield run_check("version", lambda: check_release(server.release))
    yield run_check("quota", lambda: check_quotas(needs.tasks, cluster))
    yield from examine_references(needs, cluster)
    yield from examine_namespace(needs, cluster, account)
    yield run_check("retries", lambda: check_retries(cluster, profile.retry.count))


def needs_of(profile: Profile) -> Needs:
    """Returns the requirements of a profile's tasks, including their images."""
    needs = parse_needs(profile.needs())
    images = {kind: image("cpu" if kind == "cpu" else "gpu") for kind in needs.tasks}
    return msgspec.structs.replace(needs, images=images)
