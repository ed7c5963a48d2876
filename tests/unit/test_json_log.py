"""A log as JSON objects: one a line, whole, without secrets and control characters."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from judgeloop.runtime import redaction
from judgeloop.runtime.json_log import VARIABLE, About
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.errors import ConfigError

ABOUT = About(stage="judge", loop="one", iteration=2, partition=0)
FIELDS = ["time", "level", "logger", "stage", "loop", "iteration", "partition", "message"]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the root logger writes, as JSON."""
    monkeypatch.setenv(VARIABLE, "json")
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    before = logging.getLogger().handlers[:]
    hide_secrets("%(message)s", "INFO", about=ABOUT)
    yield written
    logging.getLogger().handlers[:] = before


def test_a_line_is_an_object_with_what_it_is_about(log: io.StringIO) -> None:
    logging.getLogger("judgeloop.x").info("done rows=%d", 7)
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert list(line) == FIELDS
    about = {name: line[name] for name in ("stage", "loop", "iteration", "partition")}
    assert about == {"stage": "judge", "loop": "one", "iteration": 2, "partition": 0}
    assert (line["level"], line["logger"], line["message"]) == (
        "INFO", "judgeloop.x", "done rows=7",
    )  # fmt: skip
    assert line["time"].endswith("Z")


def test_secrets_line_feeds_and_control_characters_make_no_second_line(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf-geheim-1")
    logging.getLogger("judgeloop").warning("a\nb \x1b[31m hf-geheim-1 \u2028 \x00")
    try:
        raise ValueError("hf-geheim-1")
    except ValueError:
        logging.getLogger("judgeloop").exception("failed")
    text = log.getvalue()
    assert "hf-geheim-1" not in text
    assert text.isascii()
    assert not {"\x1b", "\x00", "\r"} & set(text)
    first, second = map(json.loads, text.splitlines())
    assert first["message"] == "a\nb \\u001b[31m *** \\u2028 \\u0000"
    assert "ValueError: ***" in second["message"]


def test_an_uncaught_error_is_a_line_too(tmp_path: Path) -> None:
    program = (
        "from judgeloop.runtime.redaction import hide_secrets\n"
        "from judgeloop.runtime.json_log import About\n"
        "hide_secrets('%(message)s', 'INFO', about=About(stage='train'))\n"
        "raise RuntimeError('gone')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={VARIABLE: "json", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["stage"]) == ("CRITICAL", "train")
    assert "RuntimeError: gone" in line["message"]


def test_text_is_the_default_and_what_a_program_reads_stays_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = logging.getLogger().handlers[:]
    try:
        for form, about in (("text", ABOUT), ("json", None)):
            monkeypatch.setenv(VARIABLE, form)
            hide_secrets("%(message)s", "INFO", about=about)
            (handler,) = logging.getLogger().handlers
            assert isinstance(handler.formatter, redaction._Formatter)
        monkeypatch.setenv(VARIABLE, "xml")
        with pytest.raises(ConfigError, match="JUDGELOOP_LOG_FORMAT=xml: use text or json"):
            hide_secrets("%(message)s", "INFO", about=ABOUT)
    finally:
        logging.getLogger().handlers[:] = before
