"""What Kubeflow's runner prints holds no secret and no control character in `run.log`."""

import io
import subprocess
import sys

import pytest

from pipelines.shown_output import ShownOutput
from tests.conftest import REPOSITORY

SECRET = "a-very-secret-value"


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", SECRET)


def test_a_secret_in_two_pieces_is_struck_out_and_colours_and_controls_are_gone() -> None:
    sink = io.StringIO()
    output = ShownOutput(sink)
    output.write(f"\x1b[91mbegins\x1b[0m {SECRET[:5]}")
    output.flush()
    assert sink.getvalue() == ""
    output.write(f"{SECRET[5:]}\x1b[2J\nnext")
    assert sink.getvalue() == "begins ***\\u001b[2J\n"
    output.finish()
    assert sink.getvalue().endswith("\nnext\n")


def test_a_whole_process_prints_so_its_traceback_too() -> None:
    code = (
        "import os, logging\n"
        "from pipelines.shown_output import show_all_output\n"
        "show_all_output()\n"
        "logging.basicConfig(level='INFO')\n"
        "logging.info(os.environ['SOME_TOKEN'])\n"
        "print('printed', os.environ['SOME_TOKEN'], end='')\n"
        "raise ValueError(os.environ['SOME_TOKEN'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert SECRET not in done.stdout + done.stderr
    assert done.stdout == "printed ***\n"
    assert "INFO:root:***" in done.stderr
    assert "ValueError: ***" in done.stderr
