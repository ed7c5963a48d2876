"""The command line `judgeloop`: which commands there are, and what all of them share.

To add a command, write one function that is decorated with `judgeloop.cli.command.command`, and
give it a row in `COMMANDS`. It returns the text to print, or an exit code where it has printed
itself. Its module is imported when the command is called, so that `judgeloop --help` stays quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from judgeloop import __version__
from judgeloop.schema.errors import JudgeLoopError

COMMANDS = {
    "run": ("pipelines.commands:run", "run the loop on this machine"),
    "evaluate": ("pipelines.commands:evaluate", "evaluate a judge on this machine, without a loop"),
    "compile": ("pipelines.commands:compile_file", "write the pipeline as a file and check it"),
    "submit": ("pipelines.cluster.commands:submit_loop", "start the loop on Kubeflow Pipelines"),
    "status": ("judgeloop.cli.status:status", "how far loops are, and what to do next"),
    "logs": ("pipelines.cluster.commands:logs", "what failed in a run on Kubeflow, and its logs"),
    "cancel": ("pipelines.cluster.commands:cancel_run", "end a run on Kubeflow"),
    "doctor": ("judgeloop.cli.doctor:doctor", "check whether a loop could run"),
    "config": ("judgeloop.cli.config:config", "show a configuration with where values come from"),
    "plan": ("judgeloop.cli.plan:plan", "estimate GPU hours, memory, disk and price of a loop"),
    "route": ("judgeloop.cli.route:route", "which kind each question gets by its form"),
    "check-data": ("judgeloop.cli.check_data:check", "what a loop would make of a file of data"),
    "convert": ("judgeloop.cli.convert:convert", "a data set of another layout in our form"),
    "verdict": ("judgeloop.cli.verdict:verdict", "judge two answers in both orders"),
    "judge": ("judgeloop.cli.judge:judge", "judge a JSONL file of answer pairs, resumable"),
    "score": ("judgeloop.cli.score:score", "a benchmark's figures from saved outputs"),
    "compare": ("judgeloop.cli.compare:compare", "two judges on the same items"),
    "suspects": ("judgeloop.cli.suspects:suspects", "labels to look at, by several judges"),
    "promote": ("judgeloop.cli.promote:promote", "make a version the champion, by hand"),
    "rollback": ("judgeloop.cli.promote:rollback", "make the previous champion the champion again"),
    "export": ("judgeloop.cli.export:export", "a judge, or a loop's data, to take along"),
    "report": ("judgeloop.cli.report:report", "the figures of a loop, and its report as files"),
    "mlflow": ("judgeloop.cli.mlflow:mlflow", "open a run's registry in a browser"),
    "clean": ("judgeloop.cli.clean:clean", "show, and with --yes remove, what nothing needs"),
    "completion": ("judgeloop.cli.completion:completion", "the shell code that completes commands"),
}
"""Where each command is, and its line in `judgeloop --help`; listed in this order."""
EXTRAS = {
    "boto3": "store", "huggingface_hub": "hub", "torch": "inference", "transformers": "inference",
    "vllm": "cpu", "openai": "endpoint", "peft": "train", "trl": "train", "mlflow": "registry",
    "matplotlib": "report", "kfp": "pipelines", "google": "pipelines", "pipelines": "pipelines",
}  # fmt: skip
"""Which extra of the package brings what a command may lack."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
WRONG_USE = 2


class Commands(click.Group):
    """The commands, each imported when it is called; errors become one line and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names in the table's order."""
        return list(COMMANDS)

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
        """Runs a command and prints what it returns; returns the exit code."""
        from judgeloop.runtime.redaction import shown

        try:
            answer = super().invoke(ctx)
        except JudgeLoopError as error:
            return _refused(ctx, str(error), error.exit_code)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in EXTRAS:
                raise
            said = f"{package} is not installed: pip install 'judgeloop[{EXTRAS[package]}]'"
            return _refused(ctx, said, WRONG_USE)
        if isinstance(answer, str):
            sys.stdout.write(shown(answer) + "\n")
            return 0
        return int(answer)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A judge of vision-language models that trains itself, without human labels.",
    epilog="`judgeloop COMMAND --help` shows a command's options, with examples.",
)
@click.version_option(__version__, message="judgeloop %(version)s")
def cli() -> None:
    """Prepares what all commands share."""
    from judgeloop.runtime.log_level import log_level
    from judgeloop.runtime.redaction import hide_secrets

    # Its remarks on model files of others are nothing that a user of a judge can act on.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    hide_secrets("%(levelname)s:%(name)s:%(message)s", log_level("WARNING"))


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


def _refused(ctx: click.Context, said: str, code: int) -> int:
    from judgeloop.runtime.redaction import shown

    sys.stderr.write(shown(f"judgeloop {ctx.invoked_subcommand}: {said}") + "\n")
    return code
