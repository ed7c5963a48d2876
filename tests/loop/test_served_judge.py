"""`judgeloop serve` as a user starts it: asked by the command line, ended by Ctrl-C."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import REPOSITORY

JUDGE = "builtin:tiny-vlm"


def environment(folder: Path) -> dict[str, str]:
    (folder / "temporary").mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(folder / "temporary")}


def verdict(folder: Path, *server: str) -> dict[str, Any]:
    asked = ["--image", str(folder / "a.png"), "--question", "count all", "--a", "1", "--b", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "judgeloop", "verdict", "--model", JUDGE, *asked, *server, "--json"],
        cwd=REPOSITORY, env=environment(folder), check=True, capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_served_judge_gives_the_verdict_of_the_command_line_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a.png")
    server = subprocess.Popen(
        [sys.executable, "-m", "judgeloop", "serve", "--judge", JUDGE, "--port", "0"],
        cwd=REPOSITORY, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        first = server.stdout.readline()
        assert first.startswith(f"serving {JUDGE} at http://127.0.0.1:"), first
        url = first.split(" at ")[1].split()[0]
        there = verdict(tmp_path, "--endpoint", url, "--served-model", "base")
        assert there == verdict(tmp_path)
    finally:
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
    assert server.returncode == 0, said
    assert said.endswith("stopped\n")
    assert list((tmp_path / "temporary").iterdir()) == []
