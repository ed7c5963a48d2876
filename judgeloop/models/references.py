"""Creates and checks references of models, without downloading a base or an adapter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.models.hub import CONFIG, fetch_config, pin_revision
from judgeloop.schema.engine_section import SCRIPTED
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import ModelRef
from judgeloop.store import (
    FileChecksum,
    MissingObjectError,
    Store,
    open_store,
    sha256_bytes,
    sha256_file,
    stored_checksums,
)
from judgeloop.store.folders import CHECKSUMS

BUILTIN = "builtin:tiny-vlm"
S3 = "s3://"
_TEXT = ".md"
"""Suffix of files that document a model and do not affect it."""


def describe_base(base: str, revision: str | None) -> ModelRef:
    """Returns the reference of a base model, pinned by a hash over its files or by its commit.

    Args:
        base: Hub id, folder, `s3://` URI of a folder that `upload_folder` stored, or a builtin.
        revision: Branch, tag or commit of a hub id; None is the main branch.

    Raises:
        ConfigError: It is not a model folder, or the commit of a hub id cannot be determined.
        StoreError: The S3 folder cannot be read.
    """
    if not base.strip():
        raise ConfigError(
            "model.base is empty: give a hub id, a folder, its s3:// URI or builtin:tiny-vlm"
        )
    if base.startswith(SCRIPTED):
        return ModelRef(base=base, revision=revision)
    files = _base_files(base)
    if files is None:
        return ModelRef(base=base, revision=pin_revision(base, revision))
    if CONFIG not in files:
        raise ConfigError(
            f"model.base {base}: it has no config.json, so it is not a model folder; give a hub "
            "id, a folder that `save_pretrained` wrote, its s3:// URI or builtin:tiny-vlm"
        )
    return ModelRef(base=base, revision=revision, base_sha256=_hash_of(files))


def check_base(model: ModelRef) -> None:
    """Checks that the base on this machine is the one that the reference describes.

    An adapter of another base with the same shapes would load, and judge at random.

    Raises:
        ConfigError: It is another one.
    """
    folder = local_folder(model.base)
    if folder is None or not model.base_sha256:
        return  # a hub id has its revision, and a base in S3 is compared when it is fetched
    if describe_base(model.base, model.revision).base_sha256 != model.base_sha256:
        raise ConfigError(
            f"the base {model.base} on this machine is not the one that the adapter was trained "
            f"on (its files have the hash {model.base_sha256[:12]}...): restore that one"
        )


def without_adapter(model: ModelRef) -> ModelRef:
    """Returns the base of a model alone."""
    return msgspec.structs.replace(model, adapter=None, adapter_sha256="")


def base_type(model: ModelRef) -> str | None:
    """Returns the `model_type` of a base's `config.json`, or None if it is not available.

    Raises:
        StoreError: A base in S3 cannot be read.
    """
    found = _base_config(model).get("model_type")
    return found if isinstance(found, str) else None


def base_dtype(model: ModelRef) -> str | None:
    """Returns the dtype of a base's weights from its `config.json`; None if it is not stated there.

    Raises:
        StoreError: A base in S3 cannot be read.
    """
    config = _base_config(model)
    for part in (config, config.get("text_config")):
        for name in ("dtype", "torch_dtype"):  # the second name up to Transformers 4.55
            if isinstance(part, dict) and isinstance(part.get(name), str):
                return str(part[name])
    return None


def _base_config(model: ModelRef) -> dict[str, Any]:
    """Returns a base's `config.json`; empty if it is not available or not an object."""
    if model.base.startswith(SCRIPTED):
        return {}
    if model.base.startswith(S3):
        store, key = open_folder(model.base)
        data: bytes | None = store.read(f"{key}/{CONFIG}")
    elif (folder := local_folder(model.base)) is not None:
        file = folder / CONFIG
        data = file.read_bytes() if file.is_file() else None
    else:
        data = fetch_config(model.base, model.revision)
    try:
        found = None if data is None else json.loads(data)
    except ValueError:  # loading the model reports the error
        return {}
    return found if isinstance(found, dict) else {}


def _base_files(base: str) -> dict[str, str] | None:
    """Returns the SHA-256 of each file of a base except documentation; None for a hub id."""
    if base.startswith(S3):
        store, key = open_folder(base)
        try:
            return _hashes(stored_checksums(store, key))
        except MissingObjectError as error:
            raise ConfigError(
                f"model.base {base}: {error}. A base in S3 is a folder with a {CHECKSUMS}, as "
                "judgeloop.store.upload_folder writes it"
            ) from error
    folder = local_folder(base)
    if folder is None:
        return None
    names = [p for p in folder.rglob("*") if p.is_file() and p.suffix != _TEXT]
    return {p.relative_to(folder).as_posix(): _hash_of_file(p) for p in names}


def _hash_of_file(path: Path) -> str:
    try:
        return sha256_file(path)
    except OSError as error:
        raise ConfigError(
            f"model.base: {path} cannot be read ({error.strerror}); make the model's folder "
            "readable for this user, or give another base"
        ) from error


def _hashes(checksums: dict[str, FileChecksum]) -> dict[str, str]:
    return {name: it.sha256 for name, it in checksums.items() if not name.endswith(_TEXT)}


def stored_base_hash(checksums: dict[str, FileChecksum]) -> str:
    """Returns the hash of a base in S3, from its checksums, as `describe_base` gives it."""
    return _hash_of(_hashes(checksums))


def _hash_of(files: dict[str, str]) -> str:
    """Returns the base's hash: the same for the same files, wherever they are."""
    lines = [f"{name} {files[name]}" for name in sorted(files, key=lambda name: name.split("/"))]
    return sha256_bytes("\n".join(lines).encode())


def open_folder(uri: str) -> tuple[Store, str]:
    """Returns the store that holds the folder of an `s3://` URI, and the folder's key in it."""
    parent, _, key = uri.rstrip("/").rpartition("/")
    if not parent.startswith(S3):
        raise ConfigError(f"{uri} names no folder in a bucket: write s3://bucket/folder")
    return open_store(parent), key


def local_folder(base: str) -> Path | None:
    """Returns the folder of a base on this machine; None for a hub id, S3 and scripted bases."""
    if base == BUILTIN:
        return Path(__file__).parents[1] / "tiny" / "base"
    if base.startswith((S3, SCRIPTED)):
        return None
    path = Path(base)
    return path if path.is_dir() or path.is_absolute() or base.startswith(".") else None
