"""`judge.json`: content, origin and figures of a registered version.

A version's folder holds this file and, beside it, the PEFT files in `adapter/`. With both, and the
base model, a judge can be run; with the file alone the loop that trained it can be run again.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.method.prompts import PromptSet, TemplatePrompts, prompt_hash
from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.config import BACKGROUND, MAX_PIXELS, Background, Pixels
from judgeloop.schema.errors import DataError, RegistryError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import ModelRef, Record, from_json, to_json
from judgeloop.schema.section import Count
from judgeloop.store import FileChecksum, folder_checksums

JUDGE_FILE = "judge.json"
FILE_VERSION = 1
"""Schema version of `judge.json`; registered versions outlive the schema of a store."""
ADAPTER_FOLDER = "adapter"
METHOD = "agreeing"
"""The `filtering.keep` of the method; any other is a control arm of the study."""


class Shown(msgspec.Struct, frozen=True):
    """How a judge sees an image: `data` of its configuration; older versions use the defaults."""

    max_pixels: Pixels = MAX_PIXELS
    background: Background = BACKGROUND


class JudgeFile(Record, frozen=True, kw_only=True):
    """The content of `judge.json`."""

    model: ModelRef
    """Its adapter is `adapter`, the folder beside the file, or None for a base alone."""
    adapter_files: dict[str, FileChecksum]
    """Checksums of the adapter's files by name."""
    loop_id: str
    iteration: Count
    config: dict[str, Any]
    """The whole configuration, resolved. A plain tree, so that versions of an older judgeloop stay
    readable."""
    manifests: dict[str, str]
    """Content keys in the loop's store by stage: `train`, `evaluate`, ..."""
    examples: tuple[str, ...]
    """SHA-256 of the shards of examples that the adapter was trained on."""
    metrics: dict[str, float]
    """`validation/...` (held-out synthetic pairs) and `evaluation/...` (gold)."""
    counts: dict[str, Count]
    """The numbers of items behind the metrics, by the same prefixes."""
    prompt_files: dict[str, str] = msgspec.field(default_factory=dict)
    """Contents of its prompt set's files, by file name; empty for a set without files."""
    prompt_hash: str = ""
    """Hash of its prompt set; empty in versions of an older judgeloop."""
    controls: tuple[str, ...] = ()
    """Control arms of the study that this judge, or one that it continues from, was trained in."""
    judgeloop_version: str
    schema_version: int = FILE_VERSION

    @property
    def prompts(self) -> str:
        """Name of the prompt set that it was trained with; a DataError where it is missing."""
        return self._setting("prompts")

    @property
    def keep(self) -> str:
        """`filtering.keep` of the loop that made it; a DataError where it is missing."""
        return self._setting("filtering", "keep")

    @property
    def shown(self) -> Shown:
        """How it was shown images in its training; a DataError if that is invalid."""
        try:
            return msgspec.convert(self.config.get("data", {}), Shown)
        except msgspec.ValidationError as error:
            raise DataError(
                f"{JUDGE_FILE} of loop {self.loop_id}, iteration {self.iteration}: `config.data`: "
                f"{error}: register the version again"
            ) from error

    def prompt_set(self, version: str) -> PromptSet:
        """Returns exactly the prompts that the judge was trained with.

        Args:
            version: The version that it belongs to, for the error.

        Raises:
            RegistryError: The files here give other prompts.
            ConfigError: An older version names a set that is not here.
        """
        files = self.prompt_files
        made = TemplatePrompts(self.prompts, files) if files else load_prompts(self.prompts)
        if self.prompt_hash and prompt_hash(made) != self.prompt_hash:
            raise RegistryError(
                f"{version} was trained with other prompts than the set {self.prompts!r} makes "
                f"here: use judgeloop {self.judgeloop_version}, which made it, or name a set by "
                "--prompts to ask it otherwise"
            )
        return made

    def _setting(self, *path: str) -> str:
        value: Any = self.config
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if not isinstance(value, str):
            raise DataError(
                f"{JUDGE_FILE} of loop {self.loop_id}, iteration {self.iteration}: "
                f"`config.{'.'.join(path)}` is missing or no text: register the version again"
            )
        return value

    def located(self, folder: Path) -> ModelRef:
        """Returns the model with its adapter in a version's folder on this machine."""
        if self.model.adapter is None:
            return self.model
        return msgspec.structs.replace(
            self.model, adapter=str((folder / ADAPTER_FOLDER).absolute())
        )


def control_arms(keep: str, inherited: Iterable[str]) -> tuple[str, ...]:
    """Returns the study's control arms behind a judge, sorted; none for a judge by the method.

    Args:
        keep: `filtering.keep` of the loop that trained it.
        inherited: The arms behind the judge that the loop continued from.
    """
    return tuple(sorted({keep, *inherited} - {METHOD, ""}))


def write_judge_file(folder: Path, judge: JudgeFile) -> JudgeFile:
    """Writes `judge.json` into a version's folder, with the checksums of the adapter beside it.

    Returns:
        The file's content.

    Raises:
        RegistryError: The adapter beside it is another one than `judge.model` names.
    """
    adapter = folder / ADAPTER_FOLDER
    files = folder_checksums(adapter) if adapter.is_dir() else {}
    place, digest = (ADAPTER_FOLDER, content_key(files)) if files else (None, "")
    if judge.model.adapter_sha256 not in ("", digest):
        raise RegistryError(
            f"{adapter} is not the adapter {judge.model.adapter_sha256[:12]}... that the judge's "
            "scores belong to: train and evaluate again"
        )
    model = msgspec.structs.replace(judge.model, adapter=place, adapter_sha256=digest)
    judge = msgspec.structs.replace(judge, model=model, adapter_files=files)
    (folder / JUDGE_FILE).write_bytes(msgspec.json.format(to_json(judge), indent=1) + b"\n")
    return judge


def read_judge_file(path: Path, version: str) -> JudgeFile:
    """Reads a `judge.json`.

    Args:
        path: The file.
        version: The version that it belongs to, for the error.

    Raises:
        RegistryError: There is none, it has another schema version, or its adapter's fields are
            inconsistent.
        DataError: It is not a judge file; the message names the missing field.
    """
    if not path.is_file():
        raise RegistryError(
            f"{version} has no {JUDGE_FILE}, so judgeloop did not register it: name another version"
        )
    data = path.read_bytes()
    schema = from_json(data, dict[str, Any], f"{version}: {JUDGE_FILE}").get("schema_version")
    if schema != FILE_VERSION:
        raise RegistryError(
            f"{version}: {JUDGE_FILE} has schema version {schema}, this version of judgeloop "
            f"reads {FILE_VERSION}; use the judgeloop version that made it"
        )
    judge = from_json(data, JudgeFile, f"{version}: {JUDGE_FILE}")
    _check_content(judge, f"{version}: {JUDGE_FILE}")
    return judge


def _check_content(judge: JudgeFile, where: str) -> None:
    """Checks that the file describes one judge consistently.

    Raises:
        RegistryError: It names no base, no adapter for its listed files, or a hash that is not
            theirs, so that the scores would belong to another judge.
    """
    model = judge.model
    if not model.base.strip():
        raise RegistryError(f"{where}: `model.base` is empty: register the version again")
    expected = content_key(judge.adapter_files) if judge.adapter_files else ""
    if model.adapter_sha256 != expected or (model.adapter is None) != (not judge.adapter_files):
        raise RegistryError(
            f"{where}: `model.adapter_sha256` {model.adapter_sha256[:12]!r} is not the hash of "
            f"`adapter_files` ({expected[:12]!r}): don't use this version, its scores are another "
            "judge's; register it again from its loop"
        )


def check_adapter(folder: Path, judge: JudgeFile, version: str) -> None:
    """Checks that a version's folder holds the adapter that its judge file describes.

    Raises:
        RegistryError: A file is missing, unexpected, or has other bytes.
    """
    adapter = folder / ADAPTER_FOLDER
    found = folder_checksums(adapter) if adapter.is_dir() else {}
    wrong = sorted(
        name
        for name in found | judge.adapter_files
        if found.get(name) != judge.adapter_files.get(name)
    )
    if wrong:
        raise RegistryError(
            f"{version}: {', '.join(wrong[:5])} in {ADAPTER_FOLDER}/ differ from what {JUDGE_FILE} "
            "says; don't use this version, register it again from its loop"
        )
