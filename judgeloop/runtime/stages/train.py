"""Train: fine-tunes the judge on the kept judgements (paper, stage III)."""

from __future__ import annotations

from pathlib import Path

import msgspec

from judgeloop.models.fetch import fetch_model
from judgeloop.models.local import LocalModel
from judgeloop.runtime.checkpoints import Checkpoints
from judgeloop.runtime.identity import library_versions
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.once import Turn, once
from judgeloop.runtime.stage_key import stage_manifest
from judgeloop.runtime.stage_settings import Pictures, TrainSettings
from judgeloop.runtime.stages.inference import open_library
from judgeloop.runtime.stages.training_set import TrainingSet, earlier_examples, start_model
from judgeloop.runtime.train_request import TrainRequest
from judgeloop.schema.engine_section import SCRIPTED
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Manifest, ModelRef, to_json
from judgeloop.schema.results import LOSS, Training
from judgeloop.store import Store
from judgeloop.store.folders import folder_checksums, upload_folder
from judgeloop.store.scratch import scratch_folder
from judgeloop.store.shards import finish
from judgeloop.training.node import ALONE, Node, this_node

STAGE = "train"
_LIBRARIES = {
    "lora": ("torch", "transformers", "peft", "trl", "accelerate"),
    "scripted": (),
}
"""Packages that each kind of training uses."""
_HASH_DIGITS = 16


def train(
    config: TrainSettings,
    store: Store,
    ledger: Ledger,
    iteration: int,
    examples: Manifest,
    model: ModelRef,
) -> Manifest:
    """Trains an adapter on the examples.

    Args:
        config: Its `training` section is used.
        store: Store of examples and images, and of the adapter.
        ledger: Source of earlier iterations' examples and of the best validated judge; its id names
            a TrainJob.
        iteration: Defines which iterations are earlier ones.
        examples: Manifest of `filter`.
        model: The current judge, which is trained further unless `training.start` differs.

    Returns:
        The manifest: `model` is the new judge, with its adapter in `train/<key>/adapter-<hash>/`;
        the result is the `Training`; details are the versions of the libraries.

    Raises:
        ConfigError: A library is not installed.
        TrainingError: The trainer failed.
        ClusterError: A TrainJob cannot be created or did not start.
    """
    request = TrainRequest(
        config=config,
        loop_id=ledger.loop_id,
        iteration=iteration,
        key="",
        examples=examples,
        earlier=earlier_examples(config.training, ledger, iteration),
        start=start_model(config.training, ledger, iteration, model),
    )
    header = _header(request)
    checkpoints = Checkpoints(store, f"{STAGE}/{header.key}")

    def make(_: Turn) -> Manifest:
        if config.training.where == "pod":
            return _train_here(request, store, header, checkpoints)
        from judgeloop.trainjob.launch import train_by_job

        return train_by_job(msgspec.structs.replace(request, key=header.key), ledger)

    manifest = once(store, STAGE, header.key, make)
    checkpoints.clear()
    return manifest


def train_in_job(request: TrainRequest, store: Store) -> None:
    """Trains in a pod of a TrainJob; the first of its nodes stores adapter and manifest.

    Args:
        request: The training to run.
        store: Store of the inputs and results.

    Raises:
        ConfigError: A library is not installed, the key differs here, or the environment names no
            node of the training.
        TrainingError: The trainer failed.
    """
    header = _header(request)
    if header.key != request.key:
        raise ConfigError(
            f"the training has the key {header.key} here, and {request.key} where it was asked "
            "for: both must run in the same image"
        )
    checkpoints = Checkpoints(store, f"{STAGE}/{header.key}")
    node = this_node(request.config.training.nodes)
    made = _train_here(request, store, header, checkpoints, node)
    if node.writes:
        finish(store, made)
        checkpoints.clear()


def _header(request: TrainRequest) -> Manifest:
    versions = library_versions(_LIBRARIES[request.config.training.kind], "train")
    header = stage_manifest(
        STAGE,
        request.config,
        libraries=versions,
        start=request.start,
        examples=request.examples,
        earlier=request.earlier,
    )
    return msgspec.structs.replace(header, details=versions)


def _train_here(
    request: TrainRequest,
    store: Store,
    header: Manifest,
    checkpoints: Checkpoints,
    node: Node = ALONE,
) -> Manifest:
    """Trains in this process and stores the adapter; returns the manifest.

    On a node that writes nothing the manifest is the header.
    """
    config = request.config
    rows = TrainingSet(config.training, store, request.examples, request.earlier, config.loop.seed)
    with scratch_folder("train") as name:
        folder = Path(name)
        with fetch_model(request.start, store) as start:
            figures = _train(request, start, store, rows, folder, checkpoints, node)
        if not node.writes:
            return header
        adapter_hash = content_key(folder_checksums(folder / "out" / "adapter"))
        # Two trainings may differ in their last bits, and the first one's manifest stays: with the
        # content hash in the name, neither overwrites the other's adapter.
        adapter_key = f"{STAGE}/{header.key}/adapter-{adapter_hash[:_HASH_DIGITS]}"
        upload_folder(store, folder / "out" / "adapter", adapter_key)
    made = msgspec.structs.replace(request.start, adapter=adapter_key, adapter_sha256=adapter_hash)
    return msgspec.structs.replace(header, result=_result(rows.rows, figures), model=made)


def _result(examples: int, figures: dict[str, float]) -> Training:
    """Returns the reproducible figures; wall time differs from run to run and is in the ledger."""
    steps = figures.get("steps")
    return Training(
        examples=examples,
        steps=None if steps is None else round(steps),
        first_loss=figures.get("first_loss"),
        last_loss=figures.get("last_loss"),
        mean_loss=figures.get("mean_loss"),
        skill=figures.get("skill"),
        losses=tuple(
            (int(name.removeprefix(LOSS)), loss)
            for name, loss in figures.items()
            if name.startswith(LOSS)
        ),
    )


def _train(
    request: TrainRequest,
    start: LocalModel,
    store: Store,
    examples: TrainingSet,
    folder: Path,
    checkpoints: Checkpoints,
    node: Node,
) -> dict[str, float]:
    """Trains in `folder`; the adapter is written to `out/adapter` below it."""
    config = request.config
    if start.base.startswith(SCRIPTED):
        from judgeloop.training.scripted import train_scripted

        return train_scripted(start, iter(examples), config.training, folder / "out" / "adapter")
    from judgeloop.training.job import TrainingJob
    from judgeloop.training.launch import train_adapter

    _export(config.data, store, examples, folder)
    resume = checkpoints.fetch_newest(folder / "checkpoints")
    return train_adapter(
        TrainingJob(
            base=start.base,
            base_name=start.reference.base,
            revision=start.reference.revision,
            adapter=str(start.adapter) if start.adapter else None,
            resume=str(resume) if resume else None,
            examples=str(folder / "examples.jsonl"),
            images=str(folder / "images"),
            max_pixels=config.data.max_pixels,
            background=config.data.background,
            settings=config.training,
            seed=config.loop.seed,
            out=str(folder / "out"),
            task=f"{request.iteration:03d}/{STAGE}",
        ),
        checkpoints.store,
        node,
    )


def _export(data: Pictures, store: Store, examples: TrainingSet, folder: Path) -> None:
    """Writes the examples and their images to `folder` for the training process."""
    library, images = open_library(data, store), folder / "images"
    images.mkdir()
    with (folder / "examples.jsonl").open("wb") as file:
        for example in examples:
            file.write(to_json(example) + b"\n")
            for image in example.images:
                if not (images / image).exists():
                    (images / image).write_bytes(library.read(image))
