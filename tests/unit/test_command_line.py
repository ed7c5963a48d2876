"""The command line as a whole: its help, its exit codes, and what starting it costs."""

import os
import subprocess
import sys

import click
import pytest

from judgeloop.cli import main as command_line
from judgeloop.cli.command import program
from judgeloop.cli.completion import SHELLS
from judgeloop.cli.main import COMMANDS, cli, main
from tests.documents.commands import about_command

SLOW_TO_IMPORT = ("kfp", "msgspec", "numpy", "rich", "scipy", "yaml")


def commands() -> list[str]:
    """Every command, those of groups too."""
    context = click.Context(cli)
    found = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        inner = command.list_commands(context) if isinstance(command, click.Group) else []
        found += [f"{name} {each}" for each in inner] or [name]
    return found


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_with_examples_that_it_takes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*name.split(), "--help"]) == 0
    said = capsys.readouterr().out
    assert "Raises:" not in said
    _, _, examples = said.partition("Examples:\n")
    lines = examples.replace("\\\n", " ").strip().splitlines()
    assert lines
    assert [line for line in lines if f"judgeloop {name}" not in line] == []
    assert [wrong for line in lines for wrong in about_command(line.strip())] == []


def test_the_help_lists_every_command_and_imports_none() -> None:
    program = (
        "import sys; from judgeloop.cli.main import main; main(['--help']); "
        f"print([name for name in {SLOW_TO_IMPORT} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    *listed, imported = done.stdout.splitlines()
    assert imported == "[]"
    assert set(COMMANDS) <= {line.split()[0] for line in listed if line.startswith("  ")}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "Usage: judgeloop [OPTIONS] COMMAND"),
        (["verdikt"], "No such command 'verdikt'"),
        (["verdict"], "judgeloop verdict: Missing option"),
        (["score", "--benchmark", "x"], "'x' is not one of 'vl-rewardbench', 'mm-rewardbench'"),
        (["plan", "a.yaml", "--gone"], "No such option"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(given) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert shown.out == ""


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lacking(name: str) -> None:
        raise ModuleNotFoundError("No module named 'kfp'", name="kfp.dsl")

    monkeypatch.setattr(command_line, "import_module", lacking)
    assert main(["compile"]) == 2
    assert "kfp is not installed: pip install 'judgeloop[pipelines]'" in capsys.readouterr().err


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_gets_the_code_that_completes_commands(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    assert f"_JUDGELOOP_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_commands_and_options_are_completed() -> None:
    for words, at, expected in (
        ("judgeloop ver", 1, "verdict"),
        ("judgeloop run --co", 2, "--config"),
    ):
        asked = {"_JUDGELOOP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        done = subprocess.run(
            [sys.executable, "-m", "judgeloop"], capture_output=True, text=True, check=False,
            env={**os.environ, **asked},
        )  # fmt: skip
        assert f"plain,{expected}" in done.stdout.splitlines()


def test_the_program_s_name_can_be_pasted() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{program()} --version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("judgeloop ")
