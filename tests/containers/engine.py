"""A real container engine for tests: podman, its socket, and the images built from this tree."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.conftest import REPOSITORY, in_ci, require_executable
from tests.make import make
from tests.server_process import free_port, running_server

CONF = {"CONTAINERS_CONF": str(REPOSITORY / "images" / "containers.conf")}
if in_ci():  # each is built once, so a layer kept for every step would be time lost
    CONF["BUILDAH_LAYERS"] = "false"
BASE = "localhost/judgeloop-base:bookworm"
IMAGES = {role: f"localhost/judgeloop-{role}:dev" for role in ("cpu", "gpu")}
CPU_BUILDS = {
    "LOCK": "images/gpu/cpu-wheels.lock", "TORCH_LOCK": "requirements/torch-cpu.lock",
    "PACKAGES": "",
}  # fmt: skip
"""What makes the image of inference and training one with CPU builds, without a compiler."""
START_TIMEOUT_S = 240  # a second, but for a machine whose disk is busy with images


class Podman(NamedTuple):
    """Podman, with its socket open."""

    socket: str
    """`unix:///...`, as `DOCKER_HOST` has it."""

    @property
    def environment(self) -> dict[str, str]:
        """What leads the Docker SDK here, with the names of the images."""
        roles = {f"JUDGELOOP_IMAGE_{role.upper()}": name for role, name in IMAGES.items()}
        return {"DOCKER_HOST": self.socket, **CONF, **roles}

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Runs one podman command."""
        return subprocess.run(
            ["podman", *arguments], check=check, capture_output=True, text=True, timeout=300,
            env=os.environ | CONF,
        )  # fmt: skip

    def inspect(self, image: str) -> dict[str, Any]:
        """What podman knows of an image."""
        found: list[dict[str, Any]] = json.loads(self.run("image", "inspect", image).stdout)
        return found[0]


def images(*arguments: str) -> str:
    """Runs `python -m images` with podman and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "images", "--engine", "podman", *arguments], cwd=REPOSITORY,
        check=False, capture_output=True, text=True, timeout=1000, env=os.environ | CONF,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """Podman with its socket open, to the end of the session."""
    if os.getuid() != 0:
        (pytest.fail if in_ci() else pytest.skip)("needs root: debootstrap makes the images' base")
    for name in ("podman", "runc", "conmon", "netavark"):
        folders = ("/usr/lib/podman", "/usr/libexec/podman")
        if not any(Path(folder, name).exists() for folder in folders):
            require_executable((name,), name)
    with podman_service(tmp_path_factory.mktemp("podman")) as address:
        yield Podman(address)


@contextmanager
def podman_service(folder: Path, **variables: str) -> Iterator[str]:
    """Opens podman's socket, which speaks Docker's API; yields it as `DOCKER_HOST` has it."""
    path = folder / "podman.sock"
    command = ["podman", "system", "service", "--time=0", f"unix://{path}"]
    with running_server(command, path, folder / "podman.log", CONF | variables, START_TIMEOUT_S):
        yield f"unix://{path}"


@pytest.fixture(scope="session")
def base(podman: Podman) -> str:
    """A base image made from Debian's packages: no registry is asked."""
    require_executable(("debootstrap", "/usr/sbin/debootstrap"), "debootstrap")
    images("base", "--tag", BASE)
    return BASE


@pytest.fixture(scope="session")
def built(podman: Podman, base: str) -> Mapping[str, str]:
    """Both images, by the command that users give: the one without a model as it is shipped but
    for its base, the one of inference and training with CPU builds."""
    changes = " ".join(f"{name}={value}" for name, value in {"BASE": base, **CPU_BUILDS}.items())
    done = make(
        "images", "ENGINE=podman", f"BUILD_ARGS={changes}", folder=REPOSITORY, timeout_s=1000,
        BASE_PYTHON=sys.executable, **CONF,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGES


@pytest.fixture(scope="session")
def cpu_image(built: Mapping[str, str]) -> str:
    """The image without a model."""
    return built["cpu"]


@pytest.fixture(scope="session")
def gpu_image(built: Mapping[str, str]) -> str:
    """The image of inference and training."""
    return built["gpu"]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A real registry on the loopback: `127.0.0.1:port`."""
    program = require_executable(("docker-registry",), "docker-registry")
    address = f"127.0.0.1:{free_port()}"
    settings: Mapping[str, Any] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": address},
    }
    file = tmp_path / "registry.yml"
    file.write_text(json.dumps(settings))  # JSON is YAML
    command = [program, "serve", str(file)]
    with running_server(command, f"http://{address}/v2/", tmp_path / "registry.log", {}):
        yield address
