"""Every command of README and docs/ is run by a test, which a table names."""

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from tests.conftest import REPOSITORY
from tests.documents.known import tests as known_tests
from tests.documents.runs import AS_FAR, ROWS
from tests.documents.shell import everything_shown, shown_on
from tests.make import make

COMMANDS = {shown.text for shown in everything_shown() if not shown.mention and not shown.python}
MENTIONS = {shown.text for shown in everything_shown() if shown.mention}


def test_every_command_of_the_documents_has_a_row_in_the_table() -> None:
    assert COMMANDS - ROWS.keys() == set()


def test_no_row_is_left_of_a_command_that_is_gone() -> None:
    assert ROWS.keys() - COMMANDS == set()


def test_every_test_of_the_table_exists() -> None:
    for row in ROWS.values():
        file, _, name = row.test.partition("::")
        assert (REPOSITORY / file).is_file()
        assert name in known_tests()


def test_a_command_that_is_shown_anew_would_be_noticed() -> None:
    page = (
        "Say `judgeloop status runs/x`, or `make x`.\n```\n$ make \\\n    demo A=1   # long\n"
        "  judgeloop gone  # no\n```\n```\nfrom judgeloop import Judge\n```\n"
    )
    found = list(shown_on("page.md", page))
    assert [shown.text for shown in found[:4]] == [
        "judgeloop status runs/x", "make x", "make demo A=1", "judgeloop gone"
    ]  # fmt: skip
    assert [shown.mention for shown in found] == [False, True, False, False, False]
    assert found[4].python


def understood(command: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Runs a command as far as nothing begins: `--dry-run`, or the `--help` of its program."""
    words = shlex.split(command)
    while re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    if words[0] == "make":
        return make("--dry-run", *words[1:], folder=folder).returncode
    if words[0].endswith("judgeloop"):
        return main([words[1], "--help"])
    assert words[:2] == ["python", "-m"]
    monkeypatch.setattr(sys, "argv", [words[2], "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(words[2], run_name="__main__")
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    "command", sorted({command for command, row in ROWS.items() if row.test == AS_FAR} | MENTIONS)
)
@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_a_command_that_is_too_much_for_a_test_is_understood(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ROWS[command].exit_code if command in ROWS else 0
    assert understood(command, REPOSITORY, monkeypatch) == expected


def test_a_json_array_becomes_lines_as_the_page_says(tmp_path: Path) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is not installed")
    (tmp_path / "rows.json").write_text('[{"id": "1"}, {"id": "2"}]')
    command = "jq -c '.[]' rows.json > rows.jsonl"
    assert command in COMMANDS
    subprocess.run(command, shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "rows.jsonl").read_text() == '{"id":"1"}\n{"id":"2"}\n'
