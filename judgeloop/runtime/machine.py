"""Describes the machine of this process: processor cores, memory, GPUs."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from judgeloop.runtime.spent import gpus_here

_LIMIT = Path("/sys/fs/cgroup/memory.max")
_GPUS = Path("/proc/driver/nvidia/gpus")
_MODEL = "Model:"


def machine_here() -> str:
    """Describes the machine as this process may use it: `2 cores, 7.8 GiB memory, no GPU`."""
    cores = len(os.sched_getaffinity(0))
    return f"{cores} core{'s'[: cores > 1]}, {_memory() / 2**30:.1f} GiB memory, {_gpus()}"


def _memory() -> int:
    """Returns the memory in bytes: the machine's, or a container's lower limit."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(total, int(_LIMIT.read_text()))
    except (OSError, ValueError):  # not a container, or one without a limit
        return total


def _gpus() -> str:
    here = gpus_here()
    if not here:
        return "no GPU"
    names: Counter[str] = Counter()
    for file in _GPUS.glob("*/information"):
        lines = file.read_text().splitlines()
        names.update(line.removeprefix(_MODEL).strip() for line in lines if line.startswith(_MODEL))
    if names.total() != here:  # this process may not use all of them
        return f"{here} GPU{'s'[: here > 1]}" + "".join(f", {name}" for name in sorted(names))
    return ", ".join(f"{count} x {name}" for name, count in sorted(names.items()))
