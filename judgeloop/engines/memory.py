"""Checks before loading that a model fits in memory, if both sizes are known."""

from __future__ import annotations

from pathlib import Path

from judgeloop.models.tensors import count_weights
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import EngineError

GIB = 2**30
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_CONTAINER = Path("/sys/fs/cgroup")


def check_memory(settings: EngineSection, location: str, dtype: str) -> None:
    """Compares the size of the weights with the memory that vLLM may take.

    Args:
        settings: How many devices share the weights, and the share of memory that vLLM may take.
        location: The model's folder. A hub id is not checked.
        dtype: Number format in memory.

    Raises:
        EngineError: The model is larger, and the message says by how much and what to change; or it
            has no weights.
    """
    folder = Path(location)
    if not folder.is_dir() or dtype not in _BYTES:
        return
    count = count_weights(folder)
    weights = count * _BYTES[dtype] / settings.vllm.tensor_parallel
    where, total, used = _device_memory()
    cache = 0.0
    if where == "GPU":
        room = total * settings.vllm.memory_share - used
        allowed = f"engine.vllm.memory_share {settings.vllm.memory_share} of {total / GIB:.1f} GiB"
    else:
        room, cache = total - used, settings.vllm.cpu_cache_mib * 2**20
        allowed = f"all of {total / GIB:.1f} GiB"
    if weights + cache <= room:
        return
    raise EngineError(
        f"the model does not fit: {count / 1e9:.2f} billion weights in {dtype} take "
        f"{weights / GIB:.1f} GiB on each of {settings.vllm.tensor_parallel} device(s)"
        + (f" and its cache {cache / GIB:.1f} GiB" if cache else "")
        + f", and {max(room, 0) / GIB:.1f} GiB are free for it ({where} memory: {allowed}, "
        f"{used / GIB:.1f} GiB in use). Use more or larger devices with "
        "engine.vllm.tensor_parallel, engine.dtype bfloat16, or a smaller model"
    )


def _device_memory() -> tuple[str, float, float]:
    """Returns the name of the memory, its size, and how much of it others use, in bytes."""
    import torch

    if torch.cuda.is_available():
        from vllm.platforms import current_platform

        # Both query NVML: a CUDA context of this process would take memory from vLLM.
        total = float(current_platform.get_device_total_memory())
        return "GPU", total, float(torch.cuda.device_memory_used())
    numbers = _fields(Path("/proc/meminfo"))
    total, free = (numbers[name] * 1024 for name in ("MemTotal:", "MemAvailable:"))
    try:
        limit = float((_CONTAINER / "memory.max").read_text())
        used = _fields(_CONTAINER / "memory.stat")["anon"]  # without the page cache of files
    except (OSError, ValueError, KeyError):  # no container, or one without a limit
        return "main", total, total - free
    return ("the container's", limit, used) if limit < total else ("main", total, total - free)


def _fields(file: Path) -> dict[str, float]:
    """Parses a file that has a name and a number per line."""
    lines = (line.split() for line in file.read_text().splitlines())
    return {words[0]: float(words[1]) for words in lines if len(words) > 1}
