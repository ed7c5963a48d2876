"""Writes a judge into a portable folder: its adapter, or base and adapter merged.

Beside the weights are a model card with figures and limits, and the hashes of all files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.models.fetch import fetch_model
from judgeloop.models.judge import JudgeModel, find_judge
from judgeloop.models.local import LocalModel
from judgeloop.ops.card import model_card
from judgeloop.registry.judge_file import JUDGE_FILE, JudgeFile, read_judge_file
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.store import FolderStore, folder_checksums
from judgeloop.store.scratch import scratch_folder

CARD, HASHES = "README.md", "SHA256SUMS"
PROBE = "Which answer is better?"
LARGEST_SHARD = "4GB"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """The exported folder."""

    folder: str
    files: dict[str, str]
    """SHA-256 by name."""
    largest_difference: float | None = None
    """Largest difference between logits of the merged model and of base and adapter; None for an
    adapter."""


def export_judge(name: str, out: Path, *, merged: bool) -> Exported:
    """Exports a judge.

    Args:
        name: A registered version, or a folder with `judge.json`.
        out: A new or empty folder. It gets `judge.json` and `adapter/` as they are registered, or a
            model in the layout of Transformers.
        merged: Adds the adapter to the base's weights.

    Raises:
        ConfigError: The judge is a base without an adapter, or the folder is not empty.
        EngineError: The model cannot be loaded, or the merged model answers differently.
        RegistryError: There is no such version.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: is not an empty folder; nothing is overwritten")
    with scratch_folder("export") as scratch:
        found = find_judge(name, Path(scratch) / "version")
        if found.model.adapter is None:
            raise ConfigError(f"{name}: is a base without an adapter: there is nothing to export")
        adapter = Path(found.model.adapter)
        record = adapter.parent / JUDGE_FILE
        judge = read_judge_file(record, name) if record.is_file() else None
        out.mkdir(parents=True, exist_ok=True)
        difference = None
        if merged:
            difference = _merge(found, out, Path(scratch))
        else:
            _copy(adapter, out / "adapter")
            if record.is_file():
                (out / JUDGE_FILE).write_bytes(record.read_bytes())
    return _finish(out, name, found, judge, difference)


def _finish(
    out: Path, name: str, found: JudgeModel, judge: JudgeFile | None, difference: float | None
) -> Exported:
    card = model_card(name, found, judge, merged=difference is not None)
    (out / CARD).write_text(card, encoding="utf-8")
    files = {path: each.sha256 for path, each in sorted(folder_checksums(out).items())}
    lines = "".join(f"{digest}  {path}\n" for path, digest in files.items())
    (out / HASHES).write_text(lines, encoding="utf-8")
    return Exported(folder=str(out), files=files, largest_difference=difference)


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(source.iterdir()):
        (target / path.name).write_bytes(path.read_bytes())


def _merge(found: JudgeModel, out: Path, scratch: Path) -> float:
    """Writes base and adapter as one model; returns the largest difference of logits."""
    from judgeloop.engines.checkpoint import load_checkpoint

    settings = msgspec.convert({"kind": "transformers", "dtype": "float32"}, EngineSection)
    with fetch_model(found.model, FolderStore(scratch / "store")) as model:
        loaded = load_checkpoint(settings, model)
        loaded.network.save_pretrained(str(out), max_shard_size=LARGEST_SHARD)
        loaded.processor.save_pretrained(str(out))
        return _difference(model, out, loaded.processor)


def _difference(model: LocalModel, out: Path, processor: Any) -> float:
    """Compares the written model with the base and its adapter.

    Raises:
        EngineError: A logit differs by more than rounding does.
    """
    import torch
    import transformers
    from peft import PeftModel

    tokens = processor.tokenizer(PROBE, return_tensors="pt")

    def logits(place: str, revision: str | None, adapter: Path | None) -> Any:
        network = transformers.AutoModelForImageTextToText.from_pretrained(
            place, revision=revision, dtype="float32", use_safetensors=True,
            trust_remote_code=False,
        )  # fmt: skip
        if adapter is not None:
            network = PeftModel.from_pretrained(network, str(adapter))
        with torch.inference_mode():
            return network.eval()(**tokens).logits

    beside = logits(model.base, model.reference.revision, model.adapter)
    one = logits(str(out), None, None)
    largest = float((beside - one).abs().max())
    bound = 1e-3 * max(1.0, float(beside.abs().max()))
    if not largest <= bound:
        raise EngineError(
            f"{out}: merged, the model's logits differ by {largest:.2g} from those of base and "
            f"adapter, more than {bound:.2g}: use the adapter"
        )
    return largest


def described(found: Exported) -> str:
    """Describes the exported folder."""
    lines = [f"{digest[:12]}  {name}" for name, digest in found.files.items()]
    if found.largest_difference is not None:
        lines.append(f"merged: logits differ by {found.largest_difference:.2g} at most")
    return "\n".join([*lines, f"written to {found.folder}"])


def as_json(found: Exported) -> str:
    """Returns the exported folder as one JSON object."""
    return json.dumps(msgspec.to_builtins(found))
