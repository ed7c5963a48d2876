"""`judgeloop mlflow`: opens a run's registry in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

import click

from judgeloop.cli.command import command
from judgeloop.ops.target import open_target
from judgeloop.registry.client import TRACKING_URI
from judgeloop.schema.errors import ConfigError

HOST = "127.0.0.1"
_AS_TRAINING = "?workflowType=machine_learning"
"""Without it MLflow shows the pages for generative applications: no metrics, no registry."""


@command("mlflow", "judgeloop mlflow runs/demo", "judgeloop mlflow runs/demo --port 5001")
@click.argument("run", metavar="DIR")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def mlflow(run: str, port: int) -> str | int:
    """Serve the registry of a run on this machine until Ctrl-C; prints the pages to open.

    If MLFLOW_TRACKING_URI names a server, that is the registry; the model's page there is printed.

    Raises:
        ConfigError: There is no such run, or it has no registry.
        RegistryError: The registry cannot be read.
    """
    target = open_target(run)
    names, registry = target.registered_as(), target.registry
    if not registry:
        raise ConfigError(f"{run}: there is no registry at {run}/mlflow/mlflow.db")
    if registry.startswith("http"):
        return model_page(registry, names.model_name)
    server = f"http://{HOST}:{port}"
    _say("the model's page", model_page(server, names.model_name))
    os.environ[TRACKING_URI] = registry
    from judgeloop.registry.tracking import find_experiment

    if (experiment := find_experiment(names.experiment)) is not None:
        _say("its loops", experiment_page(server, experiment))
    # For one person: each of MLflow's four workers would take seconds of CPU time to start.
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1"]
    return subprocess.call(
        [*command, "--backend-store-uri", registry],
        env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ},
    )


def model_page(server: str, name: str) -> str:
    """Returns the address of a registered model's page."""
    return f"{server.rstrip('/')}/#/models/{quote(name, safe='')}{_AS_TRAINING}"


def experiment_page(server: str, experiment_id: str) -> str:
    """Returns the address of an experiment's page."""
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}{_AS_TRAINING}"


def _say(what: str, page: str) -> None:
    sys.stdout.write(f"{what + ':':<17} {page}\n")
    sys.stdout.flush()
