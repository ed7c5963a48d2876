"""`python -m pipelines`: run, compile, submit, status, logs, cancel; behind the make targets."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence

from rich.console import Console

from judgeloop.cli.options import local_path
from judgeloop.runtime.ledger import LoopTakenError
from judgeloop.runtime.log_level import log_level
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.errors import JudgeLoopError
from pipelines.cluster.command import add_commands
from pipelines.compile import compile_pipeline
from pipelines.estimate import estimate
from pipelines.local import CONTAINERS, PROCESSES
from pipelines.options import add_loop, add_profile
from pipelines.plain import print_plain
from pipelines.profile import read_profile
from pipelines.run import loop_id_for, read_config, run_loop
from pipelines.spec import read_spec

FROZEN = (
    "Kubeflow's own page of the run will stand still from some task on; `make status` reads the "
    "loop's ledger and does not"
)
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    options.given = given
    try:
        hide_secrets("%(levelname)s:%(name)s:%(message)s", log_level("WARNING"))
        return options.command(options)
    except LoopTakenError as error:
        again = command_line(given, error.free_id)
        print_plain(Console(stderr=True), f"error: {error}. The whole command:\n  {again}")
        return error.exit_code
    except JudgeLoopError as error:
        print_plain(Console(stderr=True), f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        said = "Interrupted. What is finished is kept: the same command goes on from there."
        Console(stderr=True).print(said)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run the loop on this machine")
    add_loop(run)
    run.add_argument("--out", type=local_path, required=True, help="the run's folder")
    run.add_argument(
        "--runner", choices=(PROCESSES, CONTAINERS), default=PROCESSES,
        help="where tasks run: in this environment, or each in its image by docker or podman",
    )  # fmt: skip
    run.set_defaults(command=_run)
    compile_ = commands.add_parser("compile", help="write the pipeline as a file and check it")
    compile_.add_argument(
        "--out", type=local_path, required=True, help="the file, ending with .yaml"
    )
    compile_.add_argument("--iterations", type=int, required=True, help="bound of the loop")
    compile_.add_argument("--partitions", type=int, required=True, help="default fan-out")
    add_profile(compile_)
    compile_.add_argument(
        "--local", action="store_true",
        help="for this machine only: images need no digest, failed tasks are not retried",
    )  # fmt: skip
    compile_.set_defaults(command=_compile)
    add_commands(commands)
    return parser


def command_line(arguments: Sequence[str], loop_id: str) -> str:
    """Returns a command as a shell takes it, with this loop id in place of another."""
    kept = list(arguments)
    if "--loop-id" in kept:
        at = kept.index("--loop-id")
        del kept[at : at + 2]
    kept = [each for each in kept if not each.startswith("--loop-id=")]
    return shlex.join(["python", "-m", "pipelines", *kept, "--loop-id", loop_id])


def _run(options: argparse.Namespace) -> int:
    config = read_config(options.config, options.set, options.out)
    loop_id = options.loop_id or loop_id_for(config, options.config.stem)
    command = command_line(options.given, loop_id)
    return run_loop(config, loop_id, options.out, Console(), options.runner, command)


def _compile(options: argparse.Namespace) -> int:
    profile = read_profile(options.profile)
    digest = compile_pipeline(
        options.out, options.iterations, options.partitions, profile, local=options.local
    )
    if options.local:
        said = "for this machine only: images without a digest are not checked"
        Console(stderr=True).print(said, soft_wrap=True)
    size = estimate(read_spec(options.out))
    print_plain(Console(), str(size))
    if size.freezes:
        print_plain(Console(), FROZEN)
    print_plain(Console(), f"{options.out}  {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
