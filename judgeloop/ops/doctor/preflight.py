"""Runs all checks of one place, for `judgeloop doctor` and the first task."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, NamedTuple

from judgeloop.cluster.kubernetes import Cluster, FailFastCluster
from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.ops.doctor.admission import check_admission
from judgeloop.ops.doctor.checks import (
    check_clock,
    check_model,
    check_registry,
    check_secrets,
    check_store,
)
from judgeloop.ops.doctor.namespace import (
    check_claim,
    check_defaults,
    check_nodes,
    check_references,
    check_variables,
    check_writable,
)
from judgeloop.ops.doctor.needs import Needs
from judgeloop.ops.doctor.quota import check_quotas
from judgeloop.ops.doctor.release import ask_release, check_release
from judgeloop.registry.client import TRACKING_URI
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ClusterError, JudgeLoopError, PreflightError

logger = logging.getLogger(__name__)

State = Literal["ok", "unknown", "FAILED"]


class Finding(NamedTuple):
    """The result of one check."""

    check: str
    state: State
    """`unknown`: the cluster does not answer, or there is none. It is shown, but is not a
    failure."""
    said: str
    """The finding; if it is unknown or failed, with what to do."""

    def __str__(self) -> str:
        """One line of a list of findings."""
        return f"{self.check:<9} {self.state:<7} {self.said}"


def run_check(name: str, check: Callable[[], str]) -> Finding:
    """Runs one check, which returns its finding or raises an error.

    A `ClusterError` means that the result is unknown; every other error is a failure.
    """
    try:
        return Finding(name, "ok", check())
    except ClusterError as error:
        return Finding(name, "unknown", str(error))
    except JudgeLoopError as error:
        return Finding(name, "FAILED", str(error))


def examine(config: Config, needs: Needs | None = None) -> Iterator[Finding]:
    """Yields what each check finds, the cheapest first; one that fails stops no other.

    Args:
        config: The loop's configuration.
        needs: What its tasks need of the cluster; None if that is not known.
    """
    checks: list[tuple[str, Callable[[], str]]] = [
        ("secrets", partial(check_secrets, config)),
        ("store", partial(check_store, config)),
        ("clock", partial(check_clock, config)),
        ("model", partial(check_model, config)),
        ("registry", partial(check_registry, config)),
    ]
    for name, check in checks:
        yield run_check(name, check)
    yield from examine_in_pod(needs)


def examine_in_pod(needs: Needs | None) -> Iterator[Finding]:
    """Yields findings about the cluster of this pod.

    Args:
        needs: What a loop's tasks need of it; None if that is not known.
    """
    yield run_check("version", lambda: check_release(ask_release()))
    try:
        cluster = FailFastCluster(OwnCluster())
    except ClusterError as error:
        yield Finding("quota", "unknown", str(error))
        return
    yield run_check("quota", lambda: check_quotas(needs.tasks if needs else None, cluster))
    if needs:
        yield run_check("settings", lambda: check_variables(needs))
        yield run_check("writable", lambda: check_writable(needs))
        yield from examine_namespace(needs, cluster)


def examine_namespace(
    needs: Needs, cluster: Cluster, account: str | None = None
) -> Iterator[Finding]:
    """Yields whether a namespace holds what a loop's tasks need, as far as we may look.

    Args:
        needs: What they need.
        cluster: Who is asked.
        account: The pods' service account, where it is known.
    """
    yield run_check("defaults", lambda: check_defaults(cluster))
    yield run_check("claim", lambda: check_claim(needs, cluster))
    yield run_check("nodes", lambda: check_nodes(needs, cluster))
    yield run_check("admission", lambda: check_admission(needs, cluster, account))


def examine_references(needs: Needs, cluster: Cluster) -> Iterator[Finding]:
    """Yields whether the Secrets and ConfigMaps are there that the profile names."""
    yield run_check("secrets", lambda: check_references("secrets", needs.secrets, cluster))
    yield run_check("settings", lambda: check_references("configmaps", needs.settings, cluster))


def require_sound(config: Config, needs: Needs | None = None) -> None:
    """Passes where no check fails, and logs what each has found.

    Raises:
        PreflightError: Names each check that failed, with what to do.
    """
    failed = []
    for finding in examine(config, needs):
        logger.log(_level(finding), "preflight: %s", finding)
        if finding.state == "FAILED":
            failed.append(f"{finding.check}: {' '.join(finding.said.split())}")
    if failed:  # in one line, for it is the last one of the task's output
        raise PreflightError(f"this loop cannot run here: {'; and '.join(failed)}")


def log_around(needs: Needs | None) -> None:
    """Logs findings about the cluster if the store, and so the configuration, cannot be read."""
    for finding in examine_in_pod(needs):
        logger.log(_level(finding), "preflight: %s", finding)


def _level(finding: Finding) -> int:
    return logging.INFO if finding.state == "ok" else logging.WARNING


def require_registry(config: Config) -> None:
    """Passes where the MLflow server takes the loop's names.

    A database without a server is this process's own MLflow, which takes all names that the
    configuration does: nothing is tried there.

    Raises:
        RegistryError: It does not.
    """
    if os.environ.get(TRACKING_URI, "").startswith(("http://", "https://")):
        logger.info("preflight: registry: %s", check_registry(config))
