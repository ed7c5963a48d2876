"""Resolves a judge's name: a registered version, an adapter, or a model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec

from judgeloop.method.prompts import PromptSet
from judgeloop.models.references import BUILTIN, check_base, describe_base
from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.config import BACKGROUND, MAX_PIXELS
from judgeloop.schema.errors import ConfigError, reason_of
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import JudgeVersion, ModelRef
from judgeloop.store import folder_checksums


class JudgeModel(msgspec.Struct, frozen=True):
    """A judge that can be loaded."""

    model: ModelRef
    prompts: PromptSet
    """The prompt set with which it is asked."""
    version: str | None = None
    """Number of a registered version."""
    max_pixels: int = MAX_PIXELS
    background: str = BACKGROUND
    """How images are shown to it: as in its training, where that is known."""


def judge_version(name: str, found: JudgeModel) -> JudgeVersion:
    """Returns the identity of a judge, for results."""
    return JudgeVersion(
        name=name,
        version=found.version,
        base=found.model.base,
        revision=found.model.revision,
        adapter_sha256=found.model.adapter_sha256,
    )


def _nothing() -> None:
    pass


def find_judge(
    name: str,
    scratch: Path,
    prompts: str | None = None,
    meanwhile: Callable[[], None] = _nothing,
) -> JudgeModel:
    """Resolves a judge's name.

    Args:
        name: `models:/judge@champion` or `models:/judge/3`; a folder that holds `judge.json`, a
            PEFT adapter or a model; `builtin:tiny-vlm`; or a hub id.
        scratch: Folder for what is downloaded; it must outlive the engine.
        prompts: Prompt set; None takes the one that the judge was trained with, else the default.
        meanwhile: Called in parallel while a registered version is downloaded.

    Raises:
        ConfigError: The name cannot be resolved, or the judge's base on this machine is another
            one.
        StoreError: A file of an adapter's folder cannot be read.
        RegistryError: There is no such version, or its prompts cannot be rebuilt here.
    """
    if name.startswith("models:/"):
        from judgeloop.registry.concurrent_fetch import fetch_concurrently

        version = fetch_concurrently(name, scratch, meanwhile)
        return msgspec.structs.replace(_registered(scratch, name, prompts), version=version)
    folder = Path(name)
    if (folder / "judge.json").is_file():
        return _registered(folder, name, prompts)
    if (folder / "adapter_config.json").is_file():
        return _adapter(folder, prompts)
    return _plain(describe_base(name, None), prompts)


def _registered(folder: Path, name: str, prompts: str | None) -> JudgeModel:
    from judgeloop.registry.judge_file import JUDGE_FILE, read_judge_file

    judge = read_judge_file(folder / JUDGE_FILE, name)
    check_base(judge.model)
    seen = judge.shown
    return JudgeModel(
        model=judge.located(folder),
        prompts=load_prompts(prompts) if prompts else judge.prompt_set(name),
        max_pixels=seen.max_pixels,
        background=seen.background,
    )


def _adapter(folder: Path, prompts: str | None) -> JudgeModel:
    try:
        settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        base = describe_base(settings["base_model_name_or_path"], settings.get("revision"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder}/adapter_config.json names no base model ({reason_of(error)}); give a PEFT "
            "folder"
        ) from error
    model = msgspec.structs.replace(
        base,
        adapter=str(folder.absolute()),
        adapter_sha256=content_key(folder_checksums(folder)),  # servers name it by this hash
    )
    return _plain(model, prompts)


def _plain(model: ModelRef, prompts: str | None) -> JudgeModel:
    return JudgeModel(
        model, load_prompts(prompts or ("tiny" if model.base == BUILTIN else "default"))
    )
