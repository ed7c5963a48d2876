"""Resolves a `ModelRef` to local paths: base folders and adapters, downloaded if needed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from judgeloop.models.local import LocalModel
from judgeloop.models.references import S3, local_folder, open_folder, stored_base_hash
from judgeloop.schema.errors import EngineError, StoreError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ModelRef
from judgeloop.store import Store, download_folder, folder_checksums, stored_checksums
from judgeloop.store.scratch import private_folder, scratch_folder


def fetch_model(model: ModelRef, store: Store) -> LocalModel:
    """Resolves a model once: its base, and its adapter where it has one.

    Args:
        model: The model.
        store: Store of an adapter that is named by key.

    Returns:
        Its local paths; the caller closes them, which removes a downloaded adapter.

    Raises:
        EngineError: The base does not exist, or the files in S3 do not match the reference.
        StoreError: Base or adapter is missing, damaged, or does not match the reference.
    """
    base = base_location(model)
    if model.adapter is None:
        return LocalModel(model, base)
    scratch = scratch_folder("adapter")
    try:
        adapter = fetch_adapter(model, store, Path(scratch.name) / "adapter")
    except BaseException:
        scratch.cleanup()
        raise
    return LocalModel(model, base, adapter, scratch)


def base_location(model: ModelRef) -> str:
    """Returns the argument of `from_pretrained`: a local folder, or a hub id unchanged.

    A base in S3 is fetched once into the cache folder of this machine, under its content hash.

    Raises:
        EngineError: The folder does not exist, or the files in S3 do not match the reference.
        StoreError: A base in S3 cannot be read, or is damaged.
    """
    if model.base.startswith(S3):
        return str(_fetch_base(model))
    folder = local_folder(model.base)
    if folder is None:
        return model.base
    if not folder.is_dir():
        raise EngineError(f"model folder {model.base} does not exist; check model.base")
    return str(folder)


def fetch_adapter(model: ModelRef, store: Store, folder: Path) -> Path | None:
    """Fetches a model's adapter into `folder`; returns the PEFT folder, None for the base alone.

    A key is looked up in `store`, a local folder is used in place, an s3:// URI is downloaded.
    Content keys rely on the reference's hash, so the files are compared with it at every use.

    Raises:
        StoreError: It is missing, damaged, or not the adapter that the reference describes.
    """
    if model.adapter is None:
        return None
    found = _adapter_folder(model.adapter, store, folder)
    if model.adapter_sha256 and content_key(folder_checksums(found)) != model.adapter_sha256:
        raise StoreError(
            f"{model.adapter} is not the expected adapter: the hash of its files is not "
            f"{model.adapter_sha256[:12]}..., which its scores belong to. Restore that adapter, "
            "or train and register again"
        )
    return found


def _adapter_folder(adapter: str, store: Store, folder: Path) -> Path:
    if Path(adapter).is_absolute():
        return Path(adapter)
    source, key = store, adapter
    if adapter.startswith(S3):
        source, key = open_folder(adapter)
    download_folder(source, key, folder)
    return folder


def _fetch_base(model: ModelRef) -> Path:
    store, key = open_folder(model.base)
    checksums = stored_checksums(store, key)
    if model.base_sha256 not in ("", stored_base_hash(checksums)):
        raise EngineError(
            f"model.base {model.base} holds other files than when it was resolved; restore those, "
            "or start another loop with the new ones"
        )
    folder = _cache_folder() / content_key(checksums)
    download_folder(store, key, folder)
    return folder


def _cache_folder() -> Path:
    """Returns the folder in which bases are cached: the user's cache, else a temporary one.

    The files in it are compared with their checksums before they are used.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    folder = home / "judgeloop" / "bases"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:  # a pod's user often has no home
        pass
    # Anyone may create a folder of this name in the temporary folder.
    folder = private_folder(Path(tempfile.gettempdir()) / f"judgeloop-{os.getuid()}") / "bases"
    folder.mkdir(exist_ok=True)
    return folder
