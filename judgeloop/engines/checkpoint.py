"""Loads a model and its processor for inference with Transformers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from judgeloop.engines.libraries import import_transformers
from judgeloop.models.local import LocalModel
from judgeloop.models.peft_folder import check_adapter
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import EngineError, JudgeLoopError

if TYPE_CHECKING:
    import torch
    import transformers


class Checkpoint(NamedTuple):
    """A model that is ready for generation."""

    network: transformers.PreTrainedModel
    processor: transformers.ProcessorMixin
    base_alone: Callable[[], AbstractContextManager[None]] = nullcontext
    """A context manager in which the network is the base without the adapter, bit for bit."""


def load_checkpoint(settings: EngineSection, model: LocalModel) -> Checkpoint:
    """Loads base and adapter, on the GPU if there is one.

    Weights are read from safetensors only, and no code of a model repository is run.

    Raises:
        EngineError: The model or its adapter cannot be loaded.
    """
    named = model.reference
    try:
        import torch

        transformers = import_transformers()
        transformers.utils.logging.disable_progress_bar()  # progress bars clutter a pod's log
        processor = transformers.AutoProcessor.from_pretrained(
            model.base, revision=named.revision, trust_remote_code=False
        )
        network = transformers.AutoModelForImageTextToText.from_pretrained(
            model.base,
            revision=named.revision,
            dtype=settings.dtype,
            use_safetensors=True,
            trust_remote_code=False,
        )
        network, base_alone = _with_adapter(network, model)
        network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    except ImportError as error:
        raise EngineError(
            f"the engine `transformers` lacks a package: {error}. Install judgeloop[inference], "
            "and peft for models with an adapter"
        ) from error
    except JudgeLoopError:
        raise
    except Exception as error:  # libraries raise many types of exceptions for a broken model folder
        raise EngineError(
            f"cannot load model {named.base} (revision {named.revision}, adapter {named.adapter}): "
            f"{error}. Check model.base: it must be an image-text-to-text model with a processor "
            "and safetensors weights, and the adapter must have been trained on it"
        ) from error
    _prepare(network, processor)
    return Checkpoint(network, processor, base_alone)


def _with_adapter(
    network: Any, model: LocalModel
) -> tuple[Any, Callable[[], AbstractContextManager[None]]]:
    """Adds the adapter, and returns a context manager that leaves it out again.

    In float32 the adapter is merged, for speed: the rounding that merging adds is as small as the
    effect of another batch size. In bfloat16 it is not, so there the adapter stays beside the
    weights, as in training. Where it is merged, the base's own weights are kept: to subtract the
    adapter again would round a second time.
    """
    import torch

    if model.adapter is None:
        return network, nullcontext
    named = model.reference
    check_adapter(model.adapter, named.adapter, named.base, network)
    from peft import PeftModel

    own = {name: p.data for name, p in network.named_parameters(remove_duplicate=False)}
    with warnings.catch_warnings():
        # PEFT only warns, and layers without adapter weights stay those of the base.
        warnings.filterwarnings("error", message="Found missing adapter keys")
        try:
            adapted = PeftModel.from_pretrained(network, str(model.adapter))
        except UserWarning as warning:
            raise EngineError(
                f"adapter {named.adapter} was trained on another base than {named.base}: "
                f"{str(warning)[:200]}..."
            ) from warning
    if network.dtype != torch.float32:
        return adapted.get_base_model(), adapted.disable_adapter  # its layers contain the adapter
    merged = adapted.merge_and_unload(safe_merge=True)
    changed = {n: own[n] for n, p in merged.named_parameters() if p.data_ptr() != own[n].data_ptr()}
    return merged, lambda: _replaced(merged, changed)


@contextmanager
def _replaced(network: Any, weights: dict[str, torch.Tensor]) -> Iterator[None]:
    """Swaps other weights into a network for a block, and keeps the replaced ones in their place.

    So a GPU holds one of the two at a time, while the other is in main memory.
    """
    waiting = {}
    for name, weight in weights.items():
        parameter = network.get_parameter(name)
        waiting[name] = parameter.data.to(weight.device)
        parameter.data = weight.to(parameter.device)
    try:
        yield
    finally:
        for name, weight in waiting.items():
            parameter = network.get_parameter(name)
            parameter.data = weight.to(parameter.device)


def _prepare(network: Any, processor: Any) -> None:
    """Makes generation depend on the request alone, not on the checkpoint's sampling defaults."""
    import transformers

    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    network.generation_config = transformers.GenerationConfig(
        eos_token_id=network.generation_config.eos_token_id or tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
    )
