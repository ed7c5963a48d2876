"""Determines the settings of a server for a registered judge before anything is deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from judgeloop.engines.fit import check_fit
from judgeloop.engines.vllm_start import kernel_rank
from judgeloop.models.judge import find_judge
from judgeloop.models.peft_folder import check_adapter, check_language_only
from judgeloop.models.references import BUILTIN, base_dtype, local_folder
from judgeloop.registry.judge_file import JUDGE_FILE, read_judge_file
from judgeloop.schema.errors import ConfigError, RegistryError
from judgeloop.schema.records import ModelRef
from judgeloop.store.scratch import scratch_folder

REGISTERED = "models:/"


class ServedJudge(msgspec.Struct, frozen=True, kw_only=True):
    """A version of the registry that vLLM can serve."""

    address: str
    """`models:/name/version`: an alias would move while the server runs."""
    base: str
    revision: str | None
    """Commit of a base on the hub."""
    base_sha256: str
    """Hash of a base in S3 or in the image; empty for one on the hub."""
    adapter_sha256: str
    rank: int
    """Rank for vLLM's kernels: the adapter's, or the next larger that vLLM has."""
    dtype: str
    max_images: int
    memory_share: float
    max_model_len: int | None
    """Tokens of prompt and answer; None is the model's own context, as far as memory allows."""


def served_judge(name: str) -> ServedJudge:
    """Finds a registered version and checks that vLLM serves it as it was trained.

    Args:
        name: `models:/judge@champion` or `models:/judge/3`.

    Raises:
        ConfigError: It is not a registered version, has no adapter, or has a base that vLLM does
            not run or that no pod can reach.
        EngineError: vLLM would not serve the whole adapter.
        RegistryError: There is no such version, or it is damaged.
    """
    if not name.startswith(REGISTERED):
        raise ConfigError(
            f"{name}: only a registered version is deployed, such as models:/judge/3 or "
            "models:/judge@champion: its adapter and base are known by their hashes"
        )
    with scratch_folder("deploy") as scratch:
        folder = Path(scratch) / "version"
        found = find_judge(name, folder)
        model = found.model
        if model.adapter is None:
            raise ConfigError(f"{name}: is a base without an adapter: serve the base itself")
        check_fit("vllm", model)
        _check_reach(model)
        adapter = Path(model.adapter)
        check_adapter(adapter, name, model.base)
        check_language_only(adapter, name)
        engine = _engine(read_judge_file(folder / JUDGE_FILE, name).config)
        return ServedJudge(
            address=f"{_model_address(name)}/{found.version}",
            base=model.base,
            revision=model.revision,
            base_sha256=model.base_sha256,
            adapter_sha256=model.adapter_sha256,
            rank=kernel_rank(adapter, name),
            dtype=_dtype(engine.dtype, model),
            max_images=engine.vllm.max_images,
            memory_share=engine.vllm.memory_share,
            max_model_len=engine.vllm.max_model_len,
        )


class _Vllm(msgspec.Struct):
    """The settings of `engine.vllm` for a server; an older judge file may lack them."""

    max_images: int = 4
    memory_share: float = 0.9
    max_model_len: int | None = None


class _Engine(msgspec.Struct):
    dtype: str = "auto"
    vllm: _Vllm = msgspec.field(default_factory=_Vllm)


def _engine(config: dict[str, Any]) -> _Engine:
    """Returns the settings of the loop's engine that apply to a server.

    Raises:
        RegistryError: The version's file has other fields there.
    """
    try:
        return msgspec.convert(config.get("engine", {}), _Engine)
    except msgspec.ValidationError as error:
        raise RegistryError(f"{JUDGE_FILE}: config.engine: {error}; register it again") from error


def _dtype(asked: str, model: ModelRef) -> str:
    """Returns the dtype: for `auto` the checkpoint's, as the loop's own engines use it.

    vLLM's own `auto` would convert a float32 checkpoint to 16 bits.
    """
    return (base_dtype(model) or asked) if asked == "auto" else asked


def _model_address(name: str) -> str:
    """Returns the address without its alias or version."""
    return name.partition("@")[0] if "@" in name else name.rpartition("/")[0]


def _check_reach(model: ModelRef) -> None:
    """Refuses a base that exists only on this machine.

    Raises:
        ConfigError: It does.
    """
    if model.base != BUILTIN and local_folder(model.base) is not None:
        raise ConfigError(
            f"the base {model.base} is a folder of this machine, which no pod can read: put it "
            "into S3 (`judgeloop.store.upload_folder`), set model.base to its s3:// URI, and train "
            "on that"
        )
