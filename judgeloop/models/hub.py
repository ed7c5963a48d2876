"""Asks the Hugging Face hub: the commit of a branch or a tag, `config.json`, whole models."""

from __future__ import annotations

import re
from pathlib import Path

from judgeloop.schema.errors import ConfigError, EngineError, reason_of
from judgeloop.store import sha256_file

TIMEOUT_S = 10.0
CONFIG = "config.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""Files of a model that a server reads; none of them is executed."""
_DEFAULT = "main"
"""The revision that the hub uses where none is named."""


def pin_revision(model_id: str, revision: str | None) -> str:
    """Returns the commit to which a hub model's revision points now.

    If the hub cannot be asked (no network, or `HF_HUB_OFFLINE`), the commit that the local cache
    recorded for the branch is used, as it is when the model is loaded.

    Args:
        model_id: Such as `owner/name`.
        revision: A branch, a tag or a commit; None is the main branch. A commit is returned
            unchanged, without a request.

    Raises:
        ConfigError: Neither the hub nor the local cache knows the revision.
    """
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    wanted = revision or _DEFAULT
    try:
        from huggingface_hub import HfApi

        commit = HfApi().model_info(model_id, revision=wanted, timeout=TIMEOUT_S).sha
        reason = "the hub names no commit"
    except ImportError as error:
        commit, reason = None, f"{error}; install judgeloop[inference]"
    except Exception as error:  # of the client, its HTTP library or the system
        commit, reason = _cached(model_id, wanted), _shown(error)
    if commit is None:
        raise ConfigError(
            f"model.base {model_id}: there is no such folder, and neither the hub nor the local "
            f"cache says which commit its revision {wanted} is ({reason}). Check the name, or set "
            "model.revision to a commit (40 hexadecimal digits)"
        )
    return commit


def fetch_config(model_id: str, revision: str | None) -> bytes | None:
    """Returns a hub model's `config.json`, from the local cache if it is there.

    None if neither the cache nor the hub gives it: loading the model will say why.
    """
    try:
        from huggingface_hub import hf_hub_download

        path = hf_hub_download(model_id, CONFIG, revision=revision, etag_timeout=TIMEOUT_S)
        return Path(path).read_bytes()
    except Exception:  # of the client, its HTTP library or the system
        return None


def _cached(model_id: str, revision: str) -> str | None:
    """Returns the commit to which a branch pointed when the local cache last fetched it."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    try:
        folder = repo_folder_name(repo_id=model_id, repo_type="model")
    except ValueError:  # not a valid model name
        return None
    path = Path(constants.HF_HUB_CACHE) / folder / "refs" / revision
    text = path.read_text().strip() if path.is_file() else ""
    return text if _COMMIT.fullmatch(text) else None


def fetch_model(model_id: str, revision: str | None) -> Path:
    """Downloads a hub model's files into the local cache; returns their folder.

    Only safetensors weights are fetched. The hub names large files by their SHA-256, which is
    checked.

    Args:
        model_id: Such as `owner/name`.
        revision: A commit, as `pin_revision` gives it.

    Raises:
        EngineError: Neither the hub nor the cache has it, or a file does not match its hash.
    """
    try:
        from huggingface_hub import snapshot_download

        folder = Path(
            snapshot_download(
                model_id, revision=revision, allow_patterns=list(_FILES), etag_timeout=TIMEOUT_S
            )
        )
    except Exception as error:  # of the client, its HTTP library or the system
        raise EngineError(
            f"model {model_id} at {revision}: neither the hub nor the local cache gives it "
            f"({_shown(error)}). Check the network, HF_TOKEN for a gated model, and HF_HUB_OFFLINE"
        ) from error
    for path in sorted(folder.rglob("*")):
        named = path.resolve().name
        if path.is_file() and _SHA256.fullmatch(named) and sha256_file(path) != named:
            raise EngineError(
                f"model {model_id}: {path.name} in the cache has other bytes than the hub's: "
                f"remove {path.resolve()} and fetch it again"
            )
    return folder


def _shown(error: Exception) -> str:
    return " ".join(reason_of(error).split())[:300]
