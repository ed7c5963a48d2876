"""Checks of what a run on this machine needs: data files, packages, GPU, disk.

What a run creates itself is not checked, and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from judgeloop.data.source import TINY_WORLD, open_source
from judgeloop.ops.doctor.checks import (
    check_clock,
    check_model,
    check_registry,
    check_secrets,
    check_store,
)
from judgeloop.ops.doctor.preflight import Finding, run_check
from judgeloop.registry.client import TRACKING_URI
from judgeloop.schema.config import Config
from judgeloop.schema.errors import ConfigError, DataError, PreflightError

NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
ROOM_BYTES = 2 * 2**30
"""Disk space for a run of the demo's size with its temporary files; `judgeloop plan` estimates
larger runs."""
_PACKAGES = {
    "transformers": ("torch", "transformers", "peft"),
    "vllm": ("vllm",),
    "openai": ("openai",),
    "lora": ("trl", "peft", "accelerate"),
}
"""Packages by kind of engine or training."""


def examine_machine(config: Config, out: Path) -> Iterator[Finding]:
    """Yields the finding of each check, the cheapest first; a failure does not stop the others.

    Args:
        config: The configuration, with its store below `out` where it is relative.
        out: The run's folder, which need not exist.
    """
    yield run_check("files", lambda: check_files(config))
    yield run_check("packages", lambda: check_packages(config))
    yield run_check("gpu", check_gpu)
    yield run_check("disk", partial(check_disk, out))
    own_registry = TRACKING_URI not in os.environ
    if not own_registry:
        yield run_check("secrets", lambda: check_secrets(config))
    yield run_check("store", lambda: _check_store(config))
    yield run_check("clock", lambda: check_clock(config))
    yield run_check("model", lambda: check_model(config))
    if own_registry:
        yield Finding("registry", "ok", f"the run makes its own, {out}/mlflow/mlflow.db")
    else:
        yield run_check("registry", lambda: check_registry(config))


def check_files(config: Config) -> str:
    """Opens the files of data that the configuration names.

    Raises:
        PreflightError: Some cannot be used; the message names them.
    """
    wrong, found = [], []
    for key, uri in (("data.questions", config.data.questions),
                     ("evaluation.gold", config.evaluation.gold)):  # fmt: skip
        if uri == TINY_WORLD:
            continue
        try:
            with open_source(uri, _no_world) as source:
                rows = sum(1 for line in source.lines() if line.strip())
        except (ConfigError, DataError) as error:
            wrong.append(f"{key}: {error}")
            continue
        found.append(f"{key} has {rows:,} rows")
        wrong += [] if rows else [f"{key}: {uri} is empty"]
    if wrong:
        raise PreflightError("; ".join(wrong))
    return "; ".join(found) or "the tiny world is made by the run"


def check_packages(config: Config) -> str:
    """Looks for the packages of the engine and the trainer.

    Raises:
        PreflightError: Some are missing; the message names them.
    """
    kinds = (config.engine.kind, config.training.kind)
    wanted = [name for kind in kinds for name in _PACKAGES.get(kind, ())]
    missing = sorted({name for name in wanted if find_spec(name) is None})
    if missing:
        raise PreflightError(
            f"{', '.join(missing)} not installed for engine.kind {kinds[0]} and training.kind "
            f"{kinds[1]}: run `make setup`, or install judgeloop[inference,train]"
        )
    return ", ".join(dict.fromkeys(wanted)) or "none is needed by scripted models"


def check_gpu() -> str:
    """Checks whether there is a GPU, and whether the installed torch can use it.

    Raises:
        PreflightError: There is a GPU, and torch is the build for CPUs.
    """
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = ""
    if not NVIDIA_DRIVER.exists():
        return "no NVIDIA driver: models run on the CPU, which is for tiny ones"
    if torch.endswith("+cpu"):
        raise PreflightError(
            f"there is an NVIDIA driver, but torch {torch} is the build for CPUs: run `make setup "
            "GPU=1`"
        )
    return f"NVIDIA driver, torch {torch or 'not installed'}"


def check_disk(out: Path) -> str:
    """Checks the free space below the run's folder.

    Raises:
        PreflightError: There is too little.
    """
    free = shutil.disk_usage(_existing(out)).free
    if free < ROOM_BYTES:
        raise PreflightError(
            f"{_existing(out)} has {free / 2**30:.1f} GiB free, a small run takes "
            f"{ROOM_BYTES / 2**30:.0f}: make room, or choose another --out"
        )
    return f"{free / 2**30:,.0f} GiB free at {_existing(out)}"


def _check_store(config: Config) -> str:
    """Tries the store; for a folder that does not exist yet, checks whether it can be created.

    Raises:
        PreflightError, StoreError: It cannot be used.
    """
    if "://" in config.store or Path(config.store).exists():
        return check_store(config)
    parent = _existing(Path(config.store))
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise PreflightError(
            f"{config.store} cannot be made: {parent} is no folder that this user may write to"
        )
    return f"{config.store} is made by the run"


def _existing(path: Path) -> Path:
    """Returns the nearest folder above that exists, or the path itself."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _no_world(folder: Path) -> Path:
    raise ConfigError("the tiny world is made by the run")
