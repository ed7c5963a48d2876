"""The wheel, installed into an empty environment, is all that a loop needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow


def build(tree: Path, out: Path) -> Path:
    """Builds the wheel of a source tree."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--wheel-dir", str(out), str(tree)], check=True, cwd=out.parent,
    )  # fmt: skip
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed of the project, without what a build leaves behind."""
    tree = tmp_path_factory.mktemp("source")
    for name in ("judgeloop", "pipelines", "components", "k8s"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, tree / name, ignore=ignored)
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(REPOSITORY / name, tree)
    return tree


def install(wheel: Path, folder: Path) -> Path:
    """Installs a wheel into a new environment that borrows the other packages of this one."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps",
         "--no-index", str(wheel)], check=True,
    )  # fmt: skip
    # A path in a .pth file: the packages are found, and the .pth of our checkout is not read.
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "judgeloop"


def test_the_wheel_runs_and_compiles_a_loop_in_an_empty_environment(
    source: Path, tmp_path: Path
) -> None:
    judgeloop = install(build(source, tmp_path / "dist"), tmp_path / "environment")
    empty = tmp_path / "empty"
    empty.mkdir()
    plain = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")
    }

    def called(*arguments: str) -> str:
        done = subprocess.run(
            [str(judgeloop), *arguments], cwd=empty, env=plain, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    changes = ("--set", "loop.iterations=1 loop.partitions=1")
    said = called("run", "--config", "micro", *changes, "--out", "runs/micro")
    assert "runs/micro/report.html" in said
    assert (empty / "runs/micro/report.html").is_file()
    assert "finished" in called("status", "runs/micro")
    made = ("--iterations", "1", "--partitions", "1", "--profile", "one-gpu", "--local")
    called("compile", "--out", "loop.yaml", *made)
    assert "Qwen" in called("config", "show", "qwen2.5-vl-7b")


def test_the_wheel_builds_from_the_core_alone_as_in_an_image(source: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(source / "judgeloop", tree / "judgeloop")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(source / name, tree)
    names = zipfile.ZipFile(build(tree, tmp_path / "dist")).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"judgeloop"}
