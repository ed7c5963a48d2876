"""Where a `ModelRef` points: base folders and adapters, brought to this machine when needed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from judgeloop.errors import ConfigError, EngineError
from judgeloop.records import ModelRef
from judgeloop.store import Store, open_store
from judgeloop.store.checksums import sha256_bytes, sha256_file
from judgeloop.store.folders import download_folder

BUILTIN = "builtin:tiny-vlm"
SCRIPTED = "scripted:"


def describe_base(base: str, revision: str | None) -> ModelRef:
    """Makes the reference of a base model, with a hash over its files where they are at hand.

    Raises:
        ConfigError: A folder that is no model folder.
    """
    folder = _local_folder(base)
    if folder is None:
        return ModelRef(base=base, revision=revision)
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"model.base {base}: {folder} has no config.json, so it is no model folder; give a hub "
            "id, a folder that `save_pretrained` wrote, or builtin:tiny-vlm"
        )
    names = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md")
    lines = [f"{p.relative_to(folder).as_posix()} {sha256_file(p)}" for p in names]
    return ModelRef(
        base=base, revision=revision, base_sha256=sha256_bytes("\n".join(lines).encode())
    )


def without_adapter(model: ModelRef) -> ModelRef:
    """Returns the base of a model alone."""
    return msgspec.structs.replace(model, adapter=None, adapter_sha256="")


def base_location(model: ModelRef) -> str:
    """Returns what `from_pretrained` takes: a local folder, or a hub id as it is.

    Raises:
        EngineError: The base is a folder or URI that cannot be brought here.
    """
    if model.base.startswith("s3://"):
        folder = Path(tempfile.mkdtemp(prefix="judgeloop-base-"))
        download_folder(open_store(model.base), "", folder)
        return str(folder)
    folder_or_none = _local_folder(model.base)
    if folder_or_none is None:
        return model.base
    if not folder_or_none.is_dir():
        raise EngineError(f"model folder {model.base} does not exist; check model.base")
    return str(folder_or_none)


def fetch_adapter(model: ModelRef, store: Store, folder: Path) -> Path | None:
    """Brings a model's adapter into `folder`; returns the PEFT folder, None for the base alone.

    A key is looked up in `store`, a local folder is used where it is, an s3:// URI is fetched.

    Raises:
        StoreError: It is missing or damaged.
    """
    if model.adapter is None:
        return None
    if Path(model.adapter).is_absolute():
        return Path(model.adapter)
    source, key = (store, model.adapter)
    if model.adapter.startswith("s3://"):
        parent, _, key = model.adapter.rpartition("/")
        source = open_store(parent)
    download_folder(source, key, folder)
    return folder


def _local_folder(base: str) -> Path | None:
    if base == BUILTIN:
        return Path(__file__).parent / "tiny" / "base"
    if base.startswith(("s3://", SCRIPTED)):
        return None
    path = Path(base)
    return path if path.is_dir() or path.is_absolute() or base.startswith(".") else None
