"""The Makefile's targets call what they say; `make -n` shows it without running it."""

import os
from pathlib import Path

import pytest

from images.locks import CPU_ONLY, read_pins
from tests.conftest import REPOSITORY
from tests.make import make, stand_in_for_uv


def commands_of(*arguments: str) -> str:
    done = make("--dry-run", *arguments, folder=REPOSITORY)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("given", "engine"), [((), "transformers"), (("ENGINE=vllm",), "vllm")], ids=["unset", "vllm"]
)
def test_the_demo_runs_on_transformers_unless_told_otherwise(
    given: tuple[str, ...], engine: str
) -> None:
    assert f"--set engine.kind={engine} " in commands_of("demo", *given)


def test_deploy_writes_the_manifests_of_the_version_that_is_named() -> None:
    given = ("VERSION=models:/my-judge/3", "PROFILE=one-gpu", "OUT=judge.yaml")
    said = " ".join(commands_of("deploy", *given).split())
    options = "--as deployment --profile one-gpu --out judge.yaml"
    assert f"deploy --judge models:/my-judge/3 {options}" in said
    assert "--as kserve" in commands_of("deploy", *given, "KIND=kserve")
    assert make("deploy", folder=REPOSITORY).returncode == 2


def test_images_are_built_and_pushed_by_the_program_that_is_installed_unless_told_which() -> None:
    assert "--engine" not in commands_of("images", "push", "REGISTRY=registry.example/team")
    named = commands_of("images", "push", "REGISTRY=registry.example/team", "ENGINE=buildah")
    assert named.count("-m images --engine buildah ") == 2


def test_setup_for_a_gpu_is_refused_where_there_is_no_driver(tmp_path: Path) -> None:
    given = (f"VENV={tmp_path}/venv", f"NVIDIA_DRIVER={tmp_path}/driver")
    done = make("setup", "GPU=1", *given, folder=REPOSITORY)
    assert done.returncode == 2
    assert f"GPU=1 needs the NVIDIA driver, and there is no {tmp_path}/driver here" in done.stderr
    assert not (tmp_path / "venv" / "bin").exists()


def test_setup_for_a_gpu_takes_the_builds_for_cuda_and_replaces_those_for_cpus(
    tmp_path: Path,
) -> None:
    (tmp_path / "driver").write_text("")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / ".installed").write_text("cpu\n")
    given = (f"VENV={tmp_path}/venv", f"NVIDIA_DRIVER={tmp_path}/driver")
    said = commands_of("setup", "GPU=1", *given)
    assert f"-r {tmp_path}/venv/gpu.lock -r requirements/dev.lock" in said
    assert "torch-cpu.lock" not in said
    (tmp_path / "venv" / ".installed").write_text("gpu\n")
    assert make(f"{tmp_path}/venv/gpu.lock", *given, folder=REPOSITORY).returncode == 0
    locks = REPOSITORY / "requirements"
    cpu, cuda = read_pins(locks / "cpu.lock"), read_pins(locks / "cuda.lock")
    wanted = {name: pin for name, pin in cpu.items() if name not in CPU_ONLY} | cuda
    assert read_pins(tmp_path / "venv" / "gpu.lock") == wanted
    assert {"torch", "vllm"} <= wanted.keys()


def test_builds_for_cpus_on_a_machine_with_a_gpu_are_told(tmp_path: Path) -> None:
    (tmp_path / "driver").write_text("")
    given = (f"VENV={tmp_path}/venv", f"NVIDIA_DRIVER={tmp_path}/driver")
    said = commands_of("setup", *given)
    assert "the builds are for CPUs; for its GPU: make setup GPU=1" in said
    assert "torch-cpu.lock" in said


@pytest.mark.parametrize(
    ("fitting", "taken"),
    [
        (("python3.11", "python3.12", "python3.13", "python3"), "python3.13"),
        (("python3.11", "python3.12", "python3"), "python3.12"),
        (("python3",), "python3"),
    ],
)
def test_the_newest_python_that_fits_is_taken(
    fitting: tuple[str, ...], taken: str, tmp_path: Path
) -> None:
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {0 if name in fitting else 1}\n")
        program.chmod(0o755)
    done = make(
        "--dry-run", "setup", "UV=", f"VENV={tmp_path}/venv", folder=REPOSITORY,
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )  # fmt: skip
    assert f"{taken} -m venv {tmp_path}/venv" in done.stdout


def test_uv_is_used_where_it_is_and_brings_a_python(tmp_path: Path) -> None:
    uv = stand_in_for_uv(tmp_path)
    done = make("setup", f"UV={uv}", "BASE_PYTHON=", f"VENV={tmp_path}/venv", folder=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    first, *others = (tmp_path / "asked.txt").read_text().splitlines()
    assert first == f"venv --quiet --seed --python 3.13 {tmp_path}/venv"
    start = f"pip install --quiet --python {tmp_path}/venv/bin/python --no-deps"
    assert all(line.startswith(start) for line in others)
    assert (tmp_path / "venv/.installed").read_text() == "cpu\n"


def test_where_no_index_has_torch_for_cpus_pypi_s_is_taken_and_that_is_said(
    tmp_path: Path,
) -> None:
    uv = stand_in_for_uv(tmp_path, refused="torch-cpu.lock")
    done = make("setup", f"UV={uv}", f"VENV={tmp_path}/venv", folder=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch comes from PyPI with CUDA, 4.5 GB more" in done.stdout
    asked = (tmp_path / "asked.txt").read_text()
    wanted = ("torch-cpu.lock", "--index-url", "torch-pypi.lock", "requirements/cpu.lock")
    places = [asked.index(word) for word in wanted]
    assert places == sorted(places)
    assert "no such version" in (tmp_path / "venv/torch.log").read_text()


def test_an_environment_of_another_python_is_named_with_what_to_do(tmp_path: Path) -> None:
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n[ $1 != --version ] || echo Python 3.10.13\n[ $1 != -c ]\n")
    python.chmod(0o755)
    done = make("setup", f"VENV={tmp_path}/venv", folder=REPOSITORY)
    assert done.returncode == 2
    assert f"{tmp_path}/venv is of Python 3.10.13, remove it" in done.stderr
