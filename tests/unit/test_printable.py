"""Control characters of others are shown, never obeyed: in every place that shows text."""

import io
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from rich.console import Console

from judgeloop.cli.main import main
from judgeloop.engines.chat_answer import read_completion
from judgeloop.report.environment import page_environment
from judgeloop.schema.printable import encodable, printable
from pipelines.plain import print_plain

EVIL = "\x1b]0;owned\x07 \x9b31m \x00\x08\x7f\r\u202etxt"
SAFE = "\\u001b]0;owned\\u0007 \\u009b31m \\u0000\\u0008\\u007f\\u000d\\u202etxt"


def bad(text: str) -> list[str]:
    """What of a text a terminal may obey."""
    return [c for c in text if (c < " " and c not in "\n\t") or "\x7f" <= c <= "\x9f"]


def test_each_control_character_is_written_out_and_the_rest_stays() -> None:
    assert printable(EVIL) == SAFE
    assert printable("a\tb\nç 判断 🙂 e\u0301") == "a\tb\nç 判断 🙂 e\u0301"


@given(st.text())
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    assert bad(printable(text)) == []


@given(st.text())
def test_a_json_text_means_the_same_afterwards(text: str) -> None:
    assert json.loads(printable(json.dumps(text, ensure_ascii=False))) == text


def test_the_console_shows_and_obeys_nothing() -> None:
    sink = io.StringIO()
    print_plain(Console(file=sink, force_terminal=True, width=200), EVIL)
    assert sink.getvalue() == SAFE + "\n"


def test_a_command_s_error_and_answer_are_escaped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run\x1b[2J"
    folder.mkdir()
    assert main(["status", str(folder)]) == 0
    assert main(["status", str(folder / "no\x9b")]) == 2
    said = capsys.readouterr()
    assert bad(said.out + said.err) == []
    assert "\\u001b[2J" in said.out
    assert "\\u009b" in said.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\ud83d", "a\ufffd"), ("\udc00b", "\ufffdb"), ("\ud83d\ude00 😀 é\x00", "😀 😀 é\x00")],
)
def test_half_a_surrogate_pair_becomes_a_character_that_can_be_stored(
    text: str, expected: str
) -> None:
    assert encodable(text) == expected
    message = SimpleNamespace(content=f" {text}", refusal=None)
    choice = SimpleNamespace(message=message, finish_reason="stop")
    made = SimpleNamespace(choices=[choice], usage=None)
    assert read_completion(made, 10).text == expected


@pytest.mark.parametrize("escape", [True, False], ids=["report.html", "report.md"])
def test_the_report_s_templates_show_and_obey_nothing(escape: bool) -> None:
    template = page_environment(escape=escape).from_string("{{ text }} {{ text|cell }} {{ own }}")
    made = template.render(text=EVIL, own=Markup("<b>\n</b>"))
    assert bad(made) == []
    assert made.count("\\u001b") == 2
    assert made.endswith("<b>\n</b>")


def test_the_pipelines_command_escapes_its_errors(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", "--config", "no\x1b[2J.yaml", "--out", "x"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 2
    assert bad(done.stdout + done.stderr) == []
    assert "\\u001b[2J" in done.stderr


def test_half_a_surrogate_pair_is_written_out_so_that_any_terminal_can_show_it() -> None:
    assert printable("a\ud83d\U0001f600").encode() == "a\\ud83d\U0001f600".encode()
