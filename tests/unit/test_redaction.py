"""What is struck out of a text, and what is left."""

import logging
import sys

import pytest

from judgeloop.runtime import redaction
from judgeloop.runtime.redaction import hidden, hide_secrets


@pytest.mark.parametrize(
    "name",
    ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD", "HF_TOKEN",
     "OPENAI_API_KEY", "my_api_key", "DB_PASSWD", "VAULT_SECRET", "SSH_PASSPHRASE",
     "GOOGLE_CREDENTIALS", "GIT_CREDENTIAL"],
)  # fmt: skip
def test_the_values_of_variables_with_such_names_are_struck_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "s3cr/t+'x")
    for form in ("s3cr/t+'x", "s3cr%2Ft%2B%27x", "s3cr/t%2B%27x", repr("s3cr/t+'x\n")[1:-3]):
        assert hidden(f"a{form}b") == "a***b"


def test_passwords_in_addresses_are_struck_out_also_where_they_stand_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:pass%2Fword@host/path")
    assert hidden("at http://ada:pass%2Fword@host/path") == "at http://***@host/path"
    assert hidden("login pass/word, pass%2Fword") == "login ***, ***"
    assert hidden("any://bob:builder@host") == "any://***@host"


def test_a_secret_within_another_leaves_nothing_of_the_longer_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "abcdef")
    monkeypatch.setenv("OPENAI_API_KEY", "abcdefghi")
    assert hidden("abcdefghi abcdef") == "*** ***"


def test_ordinary_text_and_short_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USE_TOKEN", "true")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "enabled")
    text = "true enabled http://host:8000/v1 s3://bucket/a@b"
    assert hidden(text) == text


def test_a_variable_that_the_configuration_names_is_struck_out_of_the_log_and_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODEL_SERVER", "hunter22")
    monkeypatch.setattr(redaction, "_named", set())
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    assert hidden("hunter22") == "hunter22"
    try:
        hide_secrets("%(message)s", "INFO", "MODEL_SERVER")
        try:
            raise ValueError("not hunter22")
        except ValueError as error:
            logging.getLogger("library").exception("with %s", "hunter22")
            sys.excepthook(type(error), error, error.__traceback__)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
    said = capsys.readouterr().err
    assert said.count("ValueError: not ***") == 2
    assert "with ***" in said
    assert "hunter22" not in said
