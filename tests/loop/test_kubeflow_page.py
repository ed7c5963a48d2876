"""The page on Kubeflow: its commands are those of a file, and that file runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.kfp_process import KfpServer, start_server
from tests.make import outside_make

PAGE = REPOSITORY / "docs/kubeflow.md"
SCRIPT = REPOSITORY / "docs/kubeflow.sh"


def commands() -> list[str]:
    lines = SCRIPT.read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "set "))]


def test_the_page_shows_the_commands_of_the_file_at_most_eight() -> None:
    blocks = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "\n".join(commands()) + "\n" in blocks
    assert len(commands()) <= 8


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KfpServer]:
    yield from start_server(tmp_path_factory.mktemp("kfp"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_file_takes_a_loop_from_nothing_to_a_finished_run(
    server: KfpServer, tmp_path: Path
) -> None:
    """`kubectl` is a stand-in that notes what it was asked; all else is what users run."""
    asked = tmp_path / "kubectl.txt"
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\necho "$*" >>{asked}\n')
    kubectl.chmod(0o755)
    installed = tmp_path / "installed"
    installed.touch()  # newer than the locks: nothing is installed
    config = (REPOSITORY / "pipelines/configs/micro.yaml").read_text()
    (tmp_path / "my.yaml").write_text(config.replace("iterations: 2", "iterations: 1"))
    environment = outside_make(server.environment()) | {
        "NAMESPACE": "team", "CONFIG": str(tmp_path / "my.yaml"), "PROFILE": "cpu",
        "STORE": str(tmp_path / "store"), "PATH": f"{kubectl.parent}:{os.environ['PATH']}",
        "MAKEFLAGS": f"PYTHON={sys.executable} INSTALLED={installed}",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", str(SCRIPT)], cwd=REPOSITORY, env=environment, check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith("SUCCEEDED; the loop is finished")
    assert (tmp_path / "store/loops/first/report/report.html").exists()
    assert len(asked.read_text().splitlines()) == 4
