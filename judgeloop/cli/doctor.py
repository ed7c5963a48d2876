"""`judgeloop doctor`: checks whether a loop can run, one line per check."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.schema.errors import PreflightError


@command(
    "doctor",
    "judgeloop doctor --config pipelines/configs/tiny.yaml",
    "judgeloop doctor --profile one-gpu",
)
@click.option("--config", type=options.FILE, help="A YAML configuration: check this machine.")
@options.changes
@click.option(
    "--out",
    type=options.LOCAL_PATH,
    help="The run's folder, which need not exist.  [default: runs/NAME of the configuration]",
)
@click.option(
    "--profile", help="Look at Kubeflow: the server, its version and the quota, with the sizes of "
    "this profile (a name in k8s/profiles/, or a YAML file).  [default without --config: cpu]",
)  # fmt: skip
def doctor(
    config: Path | None, changes: Sequence[str], out: Path | None, profile: str | None
) -> str | int:
    """Check whether a loop can run: on this machine with --config, on Kubeflow with --profile.

    On this machine it checks what `judgeloop run` needs: data files, packages, GPU, disk, the store
    and the registry below --out, and the model. All failures are listed together, and nothing
    is left behind.

    Raises:
        ConfigError: The configuration or the profile is wrong.
        ClusterError: The server cannot be reached.
        PreflightError: A check failed; all lines are in the message.
    """
    if profile is not None or config is None:
        from pipelines.cluster.commands import examine

        examine(profile or "cpu")
    return 0 if config is None else _examine_here(config, changes, out)


def _examine_here(config: Path, changes: Sequence[str], out: Path | None) -> str:
    from judgeloop.cluster.own_pod import IN_POD

    if IN_POD in os.environ:
        from judgeloop.ops.doctor.preflight import examine
        from judgeloop.schema.config import load_config

        findings = list(examine(load_config(config, changes)))
    else:
        from judgeloop.ops.doctor.machine import examine_machine
        from pipelines.run import read_config

        folder = out or Path("runs") / config.stem
        findings = list(examine_machine(read_config(config, changes, folder), folder))
    lines = "\n".join(map(str, findings))
    if any(finding.state == "FAILED" for finding in findings):
        raise PreflightError(f"a loop cannot run here\n{lines}")
    return lines
