"""Every command of docs/operations.md runs: here, and against a stand-in for Kubeflow."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.kfp_process import KfpServer, connect, start_server
from tests.kubernetes_api import KubernetesApi, Pod
from tests.make import outside_make
from tests.unit.test_queue import NODE

PAGE = REPOSITORY / "docs/operations.md"
SHOWN = ("Makefile", "pyproject.toml", "requirements", "judgeloop", "pipelines", "components",
         "k8s", "images")  # fmt: skip


def blocks(on_kubeflow: bool) -> str:
    """The page's commands, in their order: those of `make`, which ask Kubeflow, or the others."""
    found = re.findall(r"^```\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return "set -euo pipefail\n" + "".join(
        each for each in found if each.startswith("make ") == on_kubeflow
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone as a user has it, with `.venv`, in which nothing else lies."""
    place = tmp_path / "clone"
    (place / ".venv/bin").mkdir(parents=True)
    for name in SHOWN:
        (place / name).symlink_to(REPOSITORY / name)
    for name in ("python", "judgeloop"):
        program = Path(sys.executable).with_name(name)
        (place / ".venv/bin" / name).write_text(f'#!/bin/sh\nexec {program} "$@"\n')
        (place / ".venv/bin" / name).chmod(0o755)
    (place / ".venv/.installed").write_text("cpu\n")  # newer than the locks
    return place


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KfpServer]:
    yield from start_server(tmp_path_factory.mktemp("kfp"))


def run(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_command_of_the_page_is_in_one_of_the_two() -> None:
    lines = [line for which in (False, True) for line in blocks(which).splitlines()]
    assert len(lines) == 24
    assert not [line for line in lines if "kubectl" in line]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_commands_for_one_machine_run_in_their_order(folder: Path) -> None:
    environment = outside_make(os.environ) | {"OMP_NUM_THREADS": "1"}
    said = run(blocks(False), folder, environment)
    assert "generated tokens" in said
    (line,) = [each for each in said.splitlines() if each.startswith('{"time": ')]
    assert set(json.loads(line)) >= {"level", "stage", "loop", "iteration", "partition"}
    assert "Kubeflow   43 tasks x 45 s" in said
    assert (folder / "backup/judge/judge.json").is_file()
    assert said.count(": finished, 1 of at most 1 iterations decided") >= 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_commands_for_kubeflow_run_in_their_order(
    folder: Path, tmp_path: Path, server: KfpServer, kubernetes_api: KubernetesApi
) -> None:
    config = tmp_path / "my.yaml"
    config.write_text("extends: micro\nloop: {iterations: 1}\n")
    environment = outside_make(server.environment(KF_PIPELINES_NAMESPACE="team")) | {
        "CONFIG": str(config), "PROFILE": "cpu", "STORE": str(tmp_path / "store"),
        "JUDGELOOP_IMAGE_CPU": f"registry.example/cpu@sha256:{'0' * 64}",
        "JUDGELOOP_IMAGE_GPU": f"registry.example/gpu@sha256:{'0' * 64}",
    }  # fmt: skip
    before, logs, after = blocks(True).partition("make logs RUN=ops\n")
    said = run(before, folder, environment)
    assert "SUCCEEDED; the loop is finished" in said
    (ended,) = connect(server.url).runs("ops")
    kubernetes_api.pods = [
        Pod("p", ended.run_id, "Succeeded", "2026-01-01T00:00:00Z", "stage=train done\n", NODE)
    ]
    said = run(f"set -euo pipefail\n{logs}{after}", folder, environment)
    assert "[train 2] stage=train done" in said.splitlines()
