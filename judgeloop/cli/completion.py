"""`judgeloop completion`: completes commands and options in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from judgeloop.cli.command import command

SHELLS = ("bash", "zsh", "fish")


@command("completion", 'eval "$(judgeloop completion bash)"')
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> str:
    """Print the code with which a shell completes commands and options."""
    from judgeloop.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None  # click knows each of SHELLS
    return found(cli, {}, "judgeloop", "_JUDGELOOP_COMPLETE").source()
