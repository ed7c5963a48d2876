"""`judgeloop run`, `judgeloop evaluate` and `judgeloop compile`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from judgeloop.cli import options
from judgeloop.cli.command import command, command_line
from judgeloop.runtime.ledger import LoopTakenError
from judgeloop.schema.errors import ConfigError
from pipelines.compile import compile_evaluation, compile_pipeline
from pipelines.estimate import estimate
from pipelines.local import CONTAINERS, PROCESSES
from pipelines.options import EVALUATE, LOOP, chosen_id, pipeline_option, profile_option
from pipelines.plain import print_plain
from pipelines.profile import read_profile
from pipelines.run import read_config, run_loop
from pipelines.spec import read_spec

FROZEN = (
    "Kubeflow's own page of the run will stop updating before the run ends; `make status` reads "
    "the loop's ledger instead"
)


_run_options = options.together(
    options.config,
    options.changes,
    options.loop_id,
    click.option("--out", type=options.LOCAL_PATH, required=True, help="The run's folder."),
    click.option(
        "--runner",
        type=click.Choice((PROCESSES, CONTAINERS)),
        default=PROCESSES,
        show_default=True,
        help="Where tasks run: in this environment, or each in its image by docker or podman.",
    ),
    click.pass_obj,
)
"""Options of a pipeline on this machine, which are the parameters of `_run_here`."""


@command(
    "run",
    "judgeloop run --config pipelines/configs/tiny.yaml --out runs/demo",
    "judgeloop run --config my.yaml --set loop.iterations=2 --set data.count=500 --out runs/mine",
)
@_run_options
def run(given: Sequence[str], **chosen: Any) -> int:
    """Run the loop on this machine; started again with the same folder, it resumes."""
    return _run_here(LOOP, given, **chosen)


@command(
    "evaluate",
    "judgeloop evaluate --config my.yaml --set model.start=models:/judge/3 --out runs/judge-3",
    "judgeloop evaluate --config my.yaml --set model.base=HUB-ID --out runs/base",
)
@_run_options
def evaluate(given: Sequence[str], **chosen: Any) -> int:
    """Evaluate a judge on the gold pairs and the configured benchmarks; nothing is trained."""
    return _run_here(EVALUATE, given, **chosen)


def _run_here(
    pipeline: str,
    given: Sequence[str],
    config: Path,
    changes: Sequence[str],
    loop_id: str | None,
    out: Path,
    runner: str,
) -> int:
    read = read_config(config, changes, out)
    loop_id = chosen_id(read, config.stem, loop_id, pipeline)
    try:
        return run_loop(read, loop_id, out, Console(), runner, again(given, loop_id))
    except LoopTakenError as error:
        whole = again(given, error.free_id)
        raise ConfigError(f"{error}. The whole command:\n  {whole}") from error


def again(arguments: Sequence[str], loop_id: str) -> str:
    """Returns a shell command with this loop id in place of another."""
    kept = list(arguments)
    if "--loop-id" in kept:
        at = kept.index("--loop-id")
        del kept[at : at + 2]
    kept = [each for each in kept if not each.startswith("--loop-id=")]
    return command_line([*kept, "--loop-id", loop_id])


@command(
    "compile",
    "judgeloop compile --out build/judge_loop.yaml --iterations 4 --partitions 2 --profile one-gpu",
)
@click.option("--out", type=options.LOCAL_PATH, required=True, help="The file, ending with .yaml.")
@click.option("--iterations", type=int, default=1, show_default=True, help="Maximum of iterations.")
@click.option("--partitions", type=int, required=True, help="Default number of partitions.")
@profile_option
@pipeline_option
@click.option(
    "--local",
    is_flag=True,
    help="For this machine only: images need no digest, failed tasks are not retried.",
)
@click.option(
    "--trainjob",
    is_flag=True,
    help="For configurations with `training.where: trainjob`; submit sets this by itself.",
)
def compile_file(
    out: Path,
    iterations: int,
    partitions: int,
    profile: str,
    pipeline: str,
    local: bool,
    trainjob: bool,
) -> int:
    """Write the pipeline as a file for Kubeflow Pipelines, and check it."""
    asked = read_profile(profile)
    if pipeline == EVALUATE:
        digest = compile_evaluation(out, partitions, asked, local=local)
    else:
        digest = compile_pipeline(
            out, iterations, partitions, asked, local=local, trainjob=trainjob
        )
    if local:
        said = "for this machine only: images without a digest are not checked"
        Console(stderr=True).print(said, soft_wrap=True)
    size = estimate(read_spec(out))
    print_plain(Console(), str(size))
    if size.freezes:
        print_plain(Console(), FROZEN)
    print_plain(Console(), f"{out}  {digest}")
    return 0
