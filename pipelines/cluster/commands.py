"""The commands of `judgeloop` that talk to Kubeflow Pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from judgeloop.cli import options
from judgeloop.cli.command import command
from judgeloop.schema.config import load_config
from pipelines.cluster.connection import Connection
from pipelines.cluster.doctor import examine_cluster
from pipelines.cluster.follow import POLL_S, follow
from pipelines.cluster.runs import cancel, find_run, show_logs, show_run, show_runs
from pipelines.cluster.server import Kubeflow
from pipelines.cluster.submit import Submission, submit
from pipelines.options import chosen_id, pipeline_option, profile_option
from pipelines.profile import read_profile

_run = click.argument("run", metavar="RUN-or-LOOP")


@command(
    "submit",
    "judgeloop submit --config my.yaml --profile one-gpu --set store=s3://bucket/prefix --follow",
)
@options.config
@options.changes
@options.loop_id
@profile_option
@pipeline_option
@click.option(
    "--out",
    type=options.FILE,
    default=Path("build/judge_loop.yaml"),
    show_default=True,
    help="File for the compiled pipeline.",
)
@click.option("--experiment", help="[default: registry.experiment of the configuration]")
@click.option("--service-account", help="Service account of the pods.  [default: the server's]")
@click.option("--pipeline-root", help="Root for manifests.  [default: the server's]")
@click.option("--follow", "followed", is_flag=True, help="Follow the run until it has ended.")
@click.option("--poll", type=float, default=POLL_S, show_default=True, metavar="SECONDS")
def submit_loop(
    config: Path,
    changes: Sequence[str],
    loop_id: str | None,
    profile: str,
    pipeline: str,
    out: Path,
    experiment: str | None,
    service_account: str | None,
    pipeline_root: str | None,
    followed: bool,
    poll: float,
) -> int:
    """Start the loop, or an evaluation, on Kubeflow Pipelines; submitted again, it resumes.

    The server is set by KF_PIPELINES_ENDPOINT and related variables (docs/kubeflow.md).
    """
    read = load_config(config, changes)
    asked = read_profile(profile)
    server = Kubeflow(Connection.from_environment())  # before anything slow
    console = Console()
    examine_cluster(server, asked, console, service_account)
    given = Submission(
        config=read,
        loop_id=chosen_id(read, config.stem, loop_id, pipeline),
        profile=asked,
        package=out,
        experiment=experiment or read.registry.experiment,
        service_account=service_account,
        pipeline_root=pipeline_root,
    )
    run_id = submit(server, given, console)
    if run_id is None or not followed:
        return 0
    return follow(server, run_id, console, poll, asked.start_within_s)


@command("logs", "judgeloop logs first", "judgeloop logs first --kfp-lines")
@_run
@click.option("--kfp-lines", is_flag=True, help="Also what Kubeflow and Argo log around a task.")
def logs(run: str, kfp_lines: bool) -> int:
    """Show what failed in a run on Kubeflow, or in the newest one of a loop, and its pods' logs."""
    server = Kubeflow(Connection.from_environment())
    return show_logs(server, run, Console(), kfp_lines=kfp_lines)


@command("cancel", "judgeloop cancel first")
@_run
def cancel_run(run: str) -> int:
    """End a run on Kubeflow, and wait until all its pods have ended."""
    return cancel(Kubeflow(Connection.from_environment()), run, Console())


def show_status(run: str | None, poll_s: float | None, profile: str) -> int:
    """Shows a run, or the newest runs; follows it to its end if `poll_s` is given.

    Args:
        run: A run's id or a loop id; None lists the newest runs.
        poll_s: Seconds between polls.
        profile: The profile with which it was submitted, for the time that a task may wait.

    Returns:
        The exit code.

    Raises:
        ClusterError: The server cannot be reached, or has no such run.
    """
    server, console = Kubeflow(Connection.from_environment()), Console()
    if run is None:
        return show_runs(server, console)
    if poll_s is not None:
        within_s = read_profile(profile).start_within_s
        return follow(server, find_run(server, run).run_id, console, poll_s, within_s)
    return show_run(server, run, console)


def examine(profile: str) -> None:
    """Checks the server, its version and the quota; raises as `examine_cluster`."""
    asked = read_profile(profile)
    examine_cluster(Kubeflow(Connection.from_environment()), asked, Console())
