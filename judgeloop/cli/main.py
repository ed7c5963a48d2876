"""The command line `judgeloop`: its commands, and what all of them share.

To add a command, write one function that is decorated with `judgeloop.cli.command.command`, and
give it a row in `COMMANDS`. It returns the text to print, or an exit code if it prints itself. Its
module is imported when the command is called, so that `judgeloop --help` stays quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module

import click

from judgeloop import __version__
from judgeloop.schema.errors import JudgeLoopError, StoreError

COMMANDS = {
    "run": ("pipelines.commands:run", "run the loop on this machine"),
    "evaluate": ("pipelines.commands:evaluate", "evaluate a judge on this machine, without a loop"),
    "compile": ("pipelines.commands:compile_file", "write the pipeline as a file and check it"),
    "submit": ("pipelines.cluster.commands:submit_loop", "start the loop on Kubeflow Pipelines"),
    "status": ("judgeloop.cli.status:status", "the progress of loops, and what to do next"),
    "logs": ("pipelines.cluster.commands:logs", "what failed in a run on Kubeflow, and its logs"),
    "cancel": ("pipelines.cluster.commands:cancel_run", "end a run on Kubeflow"),
    "doctor": ("judgeloop.cli.doctor:doctor", "check whether a loop could run"),
    "config": ("judgeloop.cli.config:config", "show a configuration with where values come from"),
    "plan": ("judgeloop.cli.plan:plan", "estimate GPU hours, memory, disk and price of a loop"),
    "route": ("judgeloop.cli.route:route", "which kind each question gets by its form"),
    "check-data": ("judgeloop.cli.check_data:check", "check a data file as a loop would read it"),
    "convert": ("judgeloop.cli.convert:convert", "convert a data set of another layout"),
    "verdict": ("judgeloop.cli.verdict:verdict", "judge two answers in both orders"),
    "judge": ("judgeloop.cli.judge:judge", "judge a JSONL file of answer pairs, resumable"),
    "serve": ("judgeloop.cli.serve:serve", "serve a judge over HTTP, with the OpenAI API"),
    "deploy": ("pipelines.serving.command:deploy", "manifests that serve a judge on Kubernetes"),
    "score": ("judgeloop.cli.score:score", "a benchmark's figures from saved outputs"),
    "compare": ("judgeloop.cli.compare:compare", "two judges on the same items"),
    "suspects": ("judgeloop.cli.suspects:suspects", "labels to review, by several judges"),
    "promote": ("judgeloop.cli.promote:promote", "make a version the champion, by hand"),
    "rollback": ("judgeloop.cli.promote:rollback", "make the previous champion the champion again"),
    "export": ("judgeloop.cli.export:export", "write a judge, or a loop's data, into a folder"),
    "report": ("judgeloop.cli.report:report", "the figures of a loop, and its report as files"),
    "view": ("judgeloop.cli.view:view", "every pair of a loop, as a folder for a browser"),
    "arms": ("judgeloop.cli.arms:arms", "compare loops: a method and its filter arms"),
    "mlflow": ("judgeloop.cli.mlflow:mlflow", "open a run's registry in a browser"),
    "clean": ("judgeloop.cli.clean:clean", "show, and with --yes remove, unneeded objects"),
    "completion": ("judgeloop.cli.completion:completion", "the shell code that completes commands"),
}
"""Module and help line of each command, in the order of `judgeloop --help`."""
EXTRAS = {
    "boto3": "store", "huggingface_hub": "hub", "torch": "inference", "transformers": "inference",
    "vllm": "cpu", "openai": "endpoint", "peft": "train", "trl": "train", "mlflow": "registry",
    "matplotlib": "report", "kfp": "pipelines", "google": "pipelines", "pipelines": "pipelines",
}  # fmt: skip
"""The extra of the package that installs a missing module."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""
WRONG_USE = 2
CLOSED_PIPE = 141
"""Exit code if the output pipe was closed, as after `| head`."""


class Commands(click.Group):
    """The commands, each imported when it is called; errors become one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names in the table's order."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Returns the command that is called.

        Raises:
            click.UsageError: There is no such command; the message suggests the nearest name.
        """
        near = [] if args[0] in COMMANDS else get_close_matches(args[0], COMMANDS, 1)
        if near:
            ctx.fail(f"there is no command {args[0]!r}; did you mean `{near[0]}`?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, said) for name, (_, said) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> int:
        """Runs a command and prints its result; returns the exit code."""
        from judgeloop.runtime.redaction import shown

        try:
            answer = super().invoke(ctx)
            if not isinstance(answer, str):
                return int(answer)
            _print(shown(answer) + "\n")
            return 0
        except OSError as error:
            return _disk_failed(ctx, error)
        except JudgeLoopError as error:
            return _refused(ctx, str(error), error.exit_code)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRAS:
                raise
            said = f"{package} is not installed: pip install 'judgeloop[{EXTRAS[package]}]'"
            return _refused(ctx, said, WRONG_USE)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A judge of vision-language models that trains itself, without human labels.",
    epilog="`judgeloop COMMAND --help` shows a command's options, with examples.",
)
@click.version_option(__version__, message="judgeloop %(version)s")
def cli() -> None:
    """Prepares what all commands share."""
    from judgeloop.runtime.garbage_collector import collect_rarely
    from judgeloop.runtime.json_log import About
    from judgeloop.runtime.log_level import log_level
    from judgeloop.runtime.redaction import hide_secrets

    # A user of a judge can do nothing about its warnings on model files.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    form = "%(levelname)s:%(name)s:%(message)s"
    hide_secrets(form, log_level("WARNING"), about=About())
    collect_rarely()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code (see `judgeloop.schema.errors`)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return int(cli.main(given, prog_name="judgeloop", standalone_mode=False, obj=given))
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return WRONG_USE
    except click.UsageError as error:
        from judgeloop.runtime.redaction import shown

        program = error.ctx.command_path if error.ctx else "judgeloop"
        said = f"{program}: {error.format_message()} (`{program} --help` lists the options)"
        sys.stderr.write(shown(said) + "\n")
        return WRONG_USE
    except click.Abort:
        sys.stderr.write("Interrupted. Finished work is kept; rerun the same command to resume.\n")
        return INTERRUPTED


def _print(text: str) -> None:
    """Prints all of a text, or raises.

    With PYTHONUNBUFFERED set, `sys.stdout.write` silently loses what a full disk refuses.

    Raises:
        OSError: The rest cannot be written.
    """
    sys.stdout.flush()
    rest = memoryview(text.encode(sys.stdout.encoding, "backslashreplace"))
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) or 0 :]
    sys.stdout.flush()


def _disk_failed(ctx: click.Context, error: OSError) -> int:
    """Reports which disk is full, read-only or broken, and what to do; returns the exit code.

    Raises:
        OSError: It is another error, which is a bug.
    """
    from judgeloop.store.local_files import disk_failure

    said = disk_failure(error)
    if said is None and not isinstance(error, BrokenPipeError):
        raise error
    try:
        sys.stdout.flush()
    except OSError:  # else Python would flush again at exit, and report the error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED_PIPE if said is None else _refused(ctx, said, StoreError.exit_code)


def _refused(ctx: click.Context, said: str, code: int) -> int:
    from judgeloop.runtime.redaction import shown

    sys.stderr.write(shown(f"judgeloop {ctx.invoked_subcommand}: {said}") + "\n")
    return code
