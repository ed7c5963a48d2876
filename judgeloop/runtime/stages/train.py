"""Train: fine-tunes the judge on the kept judgements (paper, stage III)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from judgeloop.models.references import base_location, fetch_adapter, without_adapter
from judgeloop.runtime.checkpoints import Checkpoints
from judgeloop.runtime.identity import library_versions
from judgeloop.runtime.lease import Lease
from judgeloop.runtime.once import once
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stages.inference import open_library
from judgeloop.schema.config import Config
from judgeloop.schema.engine_section import SCRIPTED
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Example, Manifest, ModelRef, to_json
from judgeloop.schema.results import Training
from judgeloop.store import Store
from judgeloop.store.folders import folder_checksums, upload_folder
from judgeloop.store.scratch import scratch_folder
from judgeloop.store.shards import read_records

STAGE = "train"
_LIBRARIES = {
    "lora": ("torch", "transformers", "peft", "trl", "accelerate"),
    "scripted": (),
}
"""Packages that each kind of training computes with."""
_HASH_DIGITS = 16


def train(
    config: Config, store: Store, iteration: int, examples: Manifest, model: ModelRef
) -> Manifest:
    """Trains an adapter on the examples.

    Args:
        config: Its `training` section decides.
        store: Where examples and images lie and the adapter goes.
        iteration: Decides nothing but the progress line; the seed is derived from the inputs' key.
        examples: Manifest of `filter`.
        model: The judge to continue from, or the base, as `training.start` says.

    Returns:
        The manifest: `model` is the new judge, with its adapter in `train/<key>/adapter-<hash>/`;
        the result is the `Training`; details are the versions of the libraries.

    Raises:
        ConfigError: A library is not installed.
        TrainingError: The trainer failed.
    """
    start = model if config.training.start == "previous" else without_adapter(model)
    versions = library_versions(_LIBRARIES[config.training.kind], "train")
    header = stage_manifest(STAGE, config, libraries=versions, start=start, examples=examples)

    checkpoints = Checkpoints(store, f"{STAGE}/{header.key}")

    def make(_: Lease) -> Manifest:
        figures, made = _adapter(config, store, iteration, examples, start, header.key, checkpoints)
        return msgspec.structs.replace(
            header,
            result=_result(examples.rows, figures),
            details=versions,
            model=made,
        )

    manifest = once(store, STAGE, header.key, make)
    checkpoints.clear()
    return manifest


def _result(examples: int, figures: dict[str, float]) -> Training:
    """Keeps the figures of the content; wall time differs from run to run and is in the ledger."""
    steps = figures.get("steps")
    return Training(
        examples=examples,
        steps=None if steps is None else round(steps),
        first_loss=figures.get("first_loss"),
        last_loss=figures.get("last_loss"),
        mean_loss=figures.get("mean_loss"),
        skill=figures.get("skill"),
    )


def _adapter(
    config: Config,
    store: Store,
    iteration: int,
    examples: Manifest,
    start: ModelRef,
    key: str,
    checkpoints: Checkpoints,
) -> tuple[dict[str, float], ModelRef]:
    """Trains and stores the adapter; returns the training's figures and the new judge."""
    with scratch_folder("train") as name:
        folder = Path(name)
        figures = _train(config, store, iteration, examples, start, folder, checkpoints)
        adapter_hash = content_key(folder_checksums(folder / "out" / "adapter"))
        # Two trainings may differ in their last bits, and the first one's manifest stays: with its
        # content in the name, neither writes over the other's adapter.
        adapter_key = f"{STAGE}/{key}/adapter-{adapter_hash[:_HASH_DIGITS]}"
        upload_folder(store, folder / "out" / "adapter", adapter_key)
    return figures, msgspec.structs.replace(start, adapter=adapter_key, adapter_sha256=adapter_hash)


def _train(
    config: Config,
    store: Store,
    iteration: int,
    examples: Manifest,
    start: ModelRef,
    folder: Path,
    checkpoints: Checkpoints,
) -> dict[str, float]:
    """Trains in `folder`; leaves the adapter in `out/adapter` below it."""
    adapter = fetch_adapter(start, store, folder / "start")
    if start.base.startswith(SCRIPTED):
        from judgeloop.training.scripted import train_scripted

        local = msgspec.structs.replace(start, adapter=str(adapter) if adapter else None)
        rows = read_records(store, examples, Example)
        return train_scripted(local, rows, config.training, folder / "out" / "adapter")
    from judgeloop.training.job import TrainingJob
    from judgeloop.training.launch import train_adapter

    _export(config, store, examples, folder)
    resume = checkpoints.fetch_newest(folder / "checkpoints")
    return train_adapter(
        TrainingJob(
            base=base_location(start),
            base_name=start.base,
            revision=start.revision,
            adapter=str(adapter) if adapter else None,
            resume=str(resume) if resume else None,
            examples=str(folder / "examples.jsonl"),
            images=str(folder / "images"),
            max_pixels=config.data.max_pixels,
            background=config.data.background,
            settings=config.training,
            seed=config.loop.seed,
            out=str(folder / "out"),
            task=f"{iteration:03d}/{STAGE}",
        ),
        checkpoints.store,
    )


def _export(config: Config, store: Store, examples: Manifest, folder: Path) -> None:
    """Writes the examples and their images to `folder` for the training process."""
    library, images = open_library(config, store), folder / "images"
    images.mkdir()
    with (folder / "examples.jsonl").open("wb") as file:
        for example in read_records(store, examples, Example):
            file.write(to_json(example) + b"\n")
            for image in example.images:
                if not (images / image).exists():
                    (images / image).write_bytes(library.read(image))
