"""Runs a pipeline's tasks in their images on this machine, through KFP's local container runner.

The engine is docker, or podman through its socket (`DOCKER_HOST=unix:///run/podman/podman.sock`).
Each task gets a container with a read-only root, `/tmp` in memory and the run's folder at its own
path.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from judgeloop.runtime.redaction import shown
from judgeloop.schema.errors import ConfigError

LABEL = "judgeloop.run"
"""Label of every container of a run, with the run's folder as its value."""
PASSED = ("AWS_", "HF_", "JUDGELOOP_", "MLFLOW_", "OMP_", "OPENAI_")
"""Prefixes of variables that are passed to the containers: settings, credentials."""
PASSED_WHOLE = frozenset(
    {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}
)
TMPFS = {"/tmp": "rw,exec,mode=1777"}


def use_containers(out: Path) -> Any:
    """Makes KFP's local runner start containers with `run_container`, and returns the runner.

    KFP's own function has the engine remove an ended container, asks for its log after that, and
    counts a missing container as a success: with podman a failed task passes.

    Args:
        out: The run's folder, which the tasks share; a store that is not a URI must be inside it.
    """
    from kfp import local
    from kfp.local import docker_task_handler

    def run(
        client: Any, image: str, command: Sequence[str], volumes: Mapping[str, Any], **given: Any
    ) -> int:
        shared = {str(out): {"bind": str(out), "mode": "rw"}}
        settings = passed_variables(os.environ) | given.pop("environment", {})
        return run_container(
            client, image, command, environment=settings, labels={LABEL: str(out)},
            user=f"{os.getuid()}:{os.getgid()}", volumes={**volumes, **shared}, **given,
        )  # fmt: skip

    docker_task_handler.run_docker_container = run
    return local.DockerRunner()


def run_container(client: Any, image: str, command: Sequence[str], **given: Any) -> int:
    """Runs a task's container to its end, prints its log and returns its exit code.

    Args:
        client: The Docker SDK's client.
        image: The task's image.
        command: Command to run in it.
        given: Further arguments of the SDK's `containers.run`.
    """
    container = client.containers.run(
        image, list(command), detach=True, read_only=True, tmpfs=TMPFS, network_mode="host", **given
    )
    try:
        for line in container.logs(stream=True, follow=True):
            print(shown(line.decode(errors="replace")), end="", flush=True)
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)


def check_engine() -> None:
    """Raises where no container engine answers.

    Raises:
        ConfigError: None answers; the message says where it was looked for.
    """
    import docker

    try:
        docker.from_env().close()
    except docker.errors.DockerException as error:
        place = os.environ.get("DOCKER_HOST", "docker's usual socket")
        raise ConfigError(
            f"no container engine answers at {place} ({error}): start docker, or podman's socket "
            "and set DOCKER_HOST, as images/README.md shows"
        ) from error


def remove_containers(out: Path) -> None:
    """Ends and removes the remaining containers of a run, which outlive the process that waits."""
    import docker

    client = docker.from_env()
    try:
        for container in client.containers.list(all=True, filters={"label": f"{LABEL}={out}"}):
            container.remove(force=True)
    finally:
        client.close()


def passed_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that the containers get."""
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(PASSED) or name in PASSED_WHOLE
    }
