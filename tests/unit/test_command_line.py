"""The command line as a whole: its help, its exit codes, and what starting it costs."""

import os
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("sink", "code", "said"),
    [
        ("full", 5, "No space left on device: the disk is full"),
        ("limited", 5, "File too large"),
        ("closed", 141, ""),
    ],
)
def test_what_cannot_be_printed_is_an_error_of_one_line(
    sink: str, code: int, said: str, unbuffered: str, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "judgeloop", "config", "show", "tiny"]
    if sink == "limited":
        words = ["sh", "-c", 'ulimit -f 1; exec "$@"', "sh", *words]
    reader, writer = os.pipe()
    os.close(reader)
    path = Path("/dev/full") if sink == "full" else tmp_path / "printed"
    with path.open("wb") as file, os.fdopen(writer, "wb") as closed:
        into = closed if sink == "closed" else file
        done = subprocess.run(
            words, stdout=into, stderr=subprocess.PIPE, text=True, check=False,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
        )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == (1 if said else 0)


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
        (["verdikt"], "there is no command 'verdikt'; did you mean `verdict`?"),
        (["xyzzy"], "No such command 'xyzzy'"),
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
