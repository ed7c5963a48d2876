"""`judgeloop mlflow`: opens a run's registry in a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from urllib.parse import quote

import click

from judgeloop.cli.command import command
from judgeloop.ops.target import open_target
from judgeloop.schema.errors import ConfigError

HOST = "127.0.0.1"


@command("mlflow", "judgeloop mlflow runs/demo", "judgeloop mlflow runs/demo --port 5001")
@click.argument("run", metavar="DIR")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def mlflow(run: str, port: int) -> str | int:
    """Serve the registry of a run on this machine until Ctrl-C; prints its model's page.

    Where MLFLOW_TRACKING_URI names a server, that has the registry, and its page is printed alone.

    Raises:
        ConfigError: There is no such run, or it has no registry.
    """
    target = open_target(run)
    name, registry = target.model_name(), target.registry
    if not registry:
        raise ConfigError(f"{run}: there is no registry at {run}/mlflow/mlflow.db")
    if registry.startswith("http"):
        return model_page(registry, name)
    page = model_page(f"http://{HOST}:{port}", name)
    sys.stdout.write(f"the model's page: {page}\nall of it:        http://{HOST}:{port}\n")
    sys.stdout.flush()
    # For one person: each of MLflow's four workers would take seconds of CPU time to start.
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port)]
    command += ["--workers", "1"]
    return subprocess.call(
        [*command, "--backend-store-uri", registry],
        env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ},
    )


def model_page(server: str, name: str) -> str:
    """Returns the address of a registered model's page."""
    return f"{server.rstrip('/')}/#/models/{quote(name, safe='')}"
