"""`judgeloop verdict` asks a judge that a server has."""

import json
from pathlib import Path

import pytest
from PIL import Image

from judgeloop.cli.main import main
from tests.chat_server import KEY, SERVED
from tests.endpoint_rig import Server, chat_server

__all__ = ["chat_server"]


def test_a_judge_on_a_server_is_asked_in_both_orders(
    chat_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("THE_KEY", KEY)
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    asked = ["--image", str(tmp_path / "a.png"), "--question", "caption", "--a", "x", "--b", "y"]
    server = ["--engine", "openai", "--endpoint", chat_server.url, "--served-model", SERVED[0]]
    chat_server.noted()
    given = ["verdict", "--model", "builtin:tiny-vlm", *asked, *server]
    assert main([*given, "--key-variable", "THE_KEY", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["shown_first"] for each in found["judgements"]] == ["a", "b"]
    assert chat_server.noted()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--engine", "openai"], "--endpoint URL and --served-model NAME"),
        (["--endpoint", "http://h/v1"], "--endpoint URL and --served-model NAME"),
        (["--endpoint", "ftp://h", "--served-model", "m"], "--endpoint ftp://h"),
    ],
)
def test_half_an_address_is_refused(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--image", "a.png", "--question", "q", "--a", "x", "--b", "y"]
    assert main(["verdict", "--model", "builtin:tiny-vlm", *asked, *given]) == 2
    assert said in capsys.readouterr().err
