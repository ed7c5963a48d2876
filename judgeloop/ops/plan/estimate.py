"""Estimates hours, memory, disk and price from the work of a loop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from judgeloop.ops.plan.overhead import Overhead, overhead
from judgeloop.ops.plan.shapes import ModelShape
from judgeloop.ops.plan.workload import (
    Assumptions,
    Questions,
    StageWork,
    asked_each_iteration,
    loop_work,
    pairs_of,
)
from judgeloop.schema.config import Config

GIB = 2**30
REPORTED_AS = {
    "hold_out": "synthesize", "synthesize": "synthesize", "judge": "judge", "train": "train",
    "validate": "evaluate", "evaluate": "evaluate",
}  # fmt: skip
"""The four groups in which hours are reported, by stage."""


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU's published figures."""

    name: str
    flops: float
    """Dense bfloat16 operations per second, from the vendor's data sheet."""
    memory_gib: float


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu(name="h100", flops=989e12, memory_gib=80),
        Gpu(name="h200", flops=989e12, memory_gib=141),
        Gpu(name="a100", flops=312e12, memory_gib=80),
        Gpu(name="l40s", flops=362e12, memory_gib=48),
        Gpu(name="a10", flops=125e12, memory_gib=24),
    )
}


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Assumed shares of a GPU's published operations that are reached (MFU); not measured."""

    read: float = 0.45
    """Prefill of prompts."""
    write_vllm: float = 0.15
    """Decoding with vLLM, with hundreds of answers at once."""
    write_transformers: float = 0.03
    """Decoding with Transformers, a batch at a time."""
    train: float = 0.40
    """Forward and backward passes."""
    engine_start_s: float = 120.0
    """Seconds from a task's start to its engine's first answer: idle GPU time."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a loop costs, estimated."""

    estimate: bool = True
    """Always true: nothing here was measured."""
    gpu: str
    gpu_hours: dict[str, float]
    """`total`, `synthesize` (with the held-out pairs), `judge`, `train`, and `evaluate` (with
    validation)."""
    peak_gpu_memory_gib: float
    """Memory per GPU of the stage that needs most; vLLM takes its whole share in any case."""
    fits: bool
    disk_gib: float
    """The store: images, records, and an adapter for every iteration."""
    price: float | None
    overhead: Overhead
    """The overhead of Kubeflow."""
    questions: Questions
    pairs: float
    """Pairs of one iteration."""
    examples: float
    work: tuple[StageWork, ...]
    assumptions: Assumptions
    rates: Rates
    notes: tuple[str, ...] = ()


def make_plan(
    config: Config,
    shape: ModelShape,
    questions: Questions,
    gold: int,
    gpu: Gpu,
    price_per_hour: float | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """Estimates a loop; see `Plan`.

    Args:
        config: The loop's configuration.
        shape: The model.
        questions: The questions.
        gold: Gold pairs.
        gpu: The kind of GPU.
        price_per_hour: Price of one GPU, in any currency.
        notes: Assumptions on the inputs.
    """
    assumed, rates = Assumptions(), Rates()

    def seconds(changed: Config, count: int) -> float:
        more = msgspec.structs.replace(questions, count=count)
        return sum(
            3600 * _hours(each, changed, shape, gpu, rates) / _devices(each, changed)
            for each in loop_work(changed, shape, more, gold, assumed)
        )

    work = loop_work(config, shape, questions, gold, assumed)
    hours: dict[str, float] = defaultdict(float)
    for stage in work:
        hours[REPORTED_AS[stage.stage]] += _hours(stage, config, shape, gpu, rates)
    total = sum(hours.values())
    peak = max(_inference_gib(config, shape), _training_gib(config, shape, work))
    by_stage = {stage.stage: stage for stage in work}
    return Plan(
        gpu=gpu.name,
        gpu_hours={"total": round(total, 3)} | {k: round(v, 3) for k, v in sorted(hours.items())},
        peak_gpu_memory_gib=round(peak, 2),
        fits=peak <= gpu.memory_gib,
        disk_gib=round(_disk_gib(config, shape, questions, work), 2),
        price=None if price_per_hour is None else round(total * price_per_hour, 2),
        overhead=overhead(config, questions, seconds),
        questions=questions,
        pairs=pairs_of(asked_each_iteration(config, questions), questions, assumed),
        examples=by_stage["train"].requests / (config.training.epochs or 1),
        work=tuple(work),
        assumptions=assumed,
        rates=rates,
        notes=(*notes, *_not_counted(config)),
    )


def _not_counted(config: Config) -> list[str]:
    left_out = "the items of evaluation.benchmarks are not counted: their number is not known here"
    return [left_out] if config.evaluation.benchmarks else []


def _hours(stage: StageWork, config: Config, shape: ModelShape, gpu: Gpu, rates: Rates) -> float:
    """Estimates GPU hours: a token costs two operations per parameter, in training six.

    With LoRA the base's weights get no gradient, so that a backward pass costs as much as a forward
    pass.
    """
    flops = 2.0 * shape.parameters
    if stage.stage == "train":
        passes = 2 if config.training.kind == "lora" else 3
        tokens = stage.prompt_tokens + stage.completion_tokens
        seconds = passes * flops * tokens / (gpu.flops * rates.train)
        starts = config.training.processes
    else:
        write = rates.write_vllm if config.engine.kind == "vllm" else rates.write_transformers
        seconds = flops * stage.prompt_tokens / (gpu.flops * rates.read)
        seconds += flops * stage.completion_tokens / (gpu.flops * write)
        devices = config.engine.vllm.tensor_parallel
        starts = devices * (config.loop.partitions if stage.stage in ("synthesize", "judge") else 1)
    return stage.runs * (seconds + starts * rates.engine_start_s) / 3600


def _devices(stage: StageWork, config: Config) -> int:
    """Returns the number of GPUs of a task of a stage."""
    if stage.stage == "train":
        return config.training.processes
    return config.engine.vllm.tensor_parallel


def _inference_gib(config: Config, shape: ModelShape) -> float:
    """Estimates weights, and the KV cache of a full batch of the longest prompts and answers."""
    longest = config.engine.max_prompt_tokens + config.judging.sampling.max_tokens
    batch = config.engine.batch_size if config.engine.kind == "transformers" else 8
    cache = batch * longest * shape.cache_bytes_per_token()
    return (2 * shape.parameters + cache) / config.engine.vllm.tensor_parallel / GIB


def _training_gib(config: Config, shape: ModelShape, work: Sequence[StageWork]) -> float:
    """Estimates weights, adapter with gradients and Adam's moments, and activations.

    With gradient checkpointing a layer keeps only its input; the logits are in float32 and stored
    twice, for the loss.
    """
    settings = config.training
    train = next(stage for stage in work if stage.stage == "train")
    longest = config.engine.max_prompt_tokens + config.judging.sampling.max_tokens
    width = 2 if settings.dtype == "bfloat16" else 4
    weights = width * shape.parameters
    adapter = 16 * adapter_parameters(settings.rank, shape)
    tokens = settings.micro_batch_size * min(longest, _row_tokens(train) * 2)
    activations = tokens * shape.hidden * width * (shape.layers + 16)
    logits = 8 * tokens * shape.vocabulary
    return (weights + adapter + activations + logits) / GIB


def adapter_parameters(rank: int, shape: ModelShape) -> int:
    """Returns the approximate number of weights of a LoRA adapter on all linear text layers."""
    return rank * shape.layers * 20 * shape.hidden


def _row_tokens(stage: StageWork) -> float:
    return (stage.prompt_tokens + stage.completion_tokens) / max(stage.requests, 1.0)


def _disk_gib(
    config: Config, shape: ModelShape, questions: Questions, work: Sequence[StageWork]
) -> float:
    """Estimates disk space: JPEG images at 0.2 bytes per pixel, text at 4 per token, adapters."""
    images = questions.count * questions.images * questions.image_pixels * 0.2
    texts = sum(4 * stage.runs * stage.completion_tokens for stage in work)
    adapters = config.loop.iterations * 4 * adapter_parameters(config.training.rank, shape)
    return (images + texts + adapters) / GIB
