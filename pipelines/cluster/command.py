"""`python -m pipelines submit | status | logs | cancel | doctor`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

from judgeloop.schema.config import load_config
from pipelines.cluster.connection import Connection
from pipelines.cluster.doctor import examine_cluster
from pipelines.cluster.follow import POLL_S, follow
from pipelines.cluster.runs import cancel, find_run, show_logs, show_run, show_runs
from pipelines.cluster.server import Kubeflow
from pipelines.cluster.submit import Submission, submit
from pipelines.options import add_loop, add_profile
from pipelines.profile import read_profile
from pipelines.run import loop_id_for


def add_commands(commands: Any) -> None:
    """Adds the commands to those of `python -m pipelines`."""
    _add_submit(commands)
    status = commands.add_parser("status", help="list the newest runs, or show one")
    status.add_argument("run", nargs="?", help="a run's id, or a loop id: its newest run")
    status.add_argument("--follow", action="store_true", help="until the run has ended")
    _add_poll(status)
    status.set_defaults(command=_status)
    doctor = commands.add_parser("doctor", help="check the server and the namespace's quota")
    add_profile(doctor)
    doctor.set_defaults(command=_doctor)
    for name, function, said in (
        ("logs", show_logs, "show what failed and the pods' logs"),
        ("cancel", cancel, "end a run and wait until nothing of it works any more"),
    ):
        command = commands.add_parser(name, help=said)
        command.add_argument("run", help="a run's id, or a loop id: its newest run")
        command.set_defaults(command=_on_run, function=function)


def _add_submit(commands: Any) -> None:
    command = commands.add_parser("submit", help="start the loop on Kubeflow Pipelines")
    add_loop(command)
    add_profile(command)
    command.add_argument("--out", type=Path, default=Path("build/judge_loop.yaml"))
    command.add_argument("--experiment", help="default: registry.experiment of the configuration")
    command.add_argument("--service-account", help="of the pods; default: the server's")
    command.add_argument("--pipeline-root", help="where manifests lie; default: the server's")
    command.add_argument("--follow", action="store_true", help="until the run has ended")
    _add_poll(command)
    command.set_defaults(command=_submit)


def _add_poll(command: argparse.ArgumentParser) -> None:
    command.add_argument("--poll", type=float, default=POLL_S, metavar="SECONDS")


def _submit(options: argparse.Namespace) -> int:
    config = load_config(options.config, options.set)
    profile = read_profile(options.profile)
    server = Kubeflow(Connection.from_environment())  # before anything that takes long
    console = Console()
    examine_cluster(server, profile, console)
    given = Submission(
        config=config,
        loop_id=options.loop_id or loop_id_for(config, options.config.stem),
        profile=profile,
        package=options.out,
        experiment=options.experiment or config.registry.experiment,
        service_account=options.service_account,
        pipeline_root=options.pipeline_root,
    )
    run_id = submit(server, given, console)
    if run_id is None or not options.follow:
        return 0
    return follow(server, run_id, console, options.poll)


def _status(options: argparse.Namespace) -> int:
    server, console = Kubeflow(Connection.from_environment()), Console()
    if options.run is None:
        return show_runs(server, console)
    if options.follow:
        return follow(server, find_run(server, options.run).run_id, console, options.poll)
    return show_run(server, options.run, console)


def _doctor(options: argparse.Namespace) -> int:
    profile = read_profile(options.profile)
    examine_cluster(Kubeflow(Connection.from_environment()), profile, Console())
    return 0


def _on_run(options: argparse.Namespace) -> int:
    return int(options.function(Kubeflow(Connection.from_environment()), options.run, Console()))
