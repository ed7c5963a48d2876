"""Loads a model and its processor for inference with Transformers."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgeloop.engines.peft_folder import check_adapter
from judgeloop.engines.settings import EngineSection
from judgeloop.errors import EngineError, JudgeLoopError
from judgeloop.models import base_location, fetch_adapter
from judgeloop.records import ModelRef
from judgeloop.store import Store

if TYPE_CHECKING:
    import transformers


def load_checkpoint(
    settings: EngineSection, model: ModelRef, store: Store
) -> tuple[transformers.PreTrainedModel, transformers.ProcessorMixin]:
    """Loads base and adapter, on the GPU where there is one.

    Weights are read from safetensors only, and no code of a model repository is run.

    Raises:
        EngineError: The model or its adapter cannot be loaded.
        StoreError: The adapter is missing or damaged.
    """
    location = base_location(model)
    try:
        import torch
        import transformers

        transformers.utils.logging.disable_progress_bar()  # its bars are noise in a pod's log
        processor = transformers.AutoProcessor.from_pretrained(
            location, revision=model.revision, trust_remote_code=False
        )
        network = transformers.AutoModelForImageTextToText.from_pretrained(
            location,
            revision=model.revision,
            dtype=settings.dtype,
            use_safetensors=True,
            trust_remote_code=False,
        )
        network = _with_adapter(network, model, store)
        network = network.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    except ImportError as error:
        raise EngineError(
            f"the engine `transformers` lacks a package: {error}. Install judgeloop[inference], "
            "and peft for models with an adapter"
        ) from error
    except JudgeLoopError:
        raise
    except Exception as error:  # a model folder may be wrong in more ways than libraries expect
        raise EngineError(
            f"cannot load model {model.base} (revision {model.revision}, adapter {model.adapter}): "
            f"{error}. Check model.base: it must be an image-text-to-text model with a processor "
            "and safetensors weights, and the adapter must have been trained on it"
        ) from error
    _prepare(network, processor)
    return network, processor


def _with_adapter(network: Any, model: ModelRef, store: Store) -> Any:
    """Adds the adapter; in float32 it is merged, for speed.

    Merging rounds once more at the weights' precision. In float32 that is as little as another
    batch makes; in bfloat16 it is not, so there the adapter stays beside the weights, as in
    training.
    """
    import torch

    with tempfile.TemporaryDirectory(prefix="judgeloop-adapter-") as scratch:
        folder = fetch_adapter(model, store, Path(scratch) / "adapter")
        if folder is None:
            return network
        check_adapter(folder, model.adapter)
        from peft import PeftModel

        with warnings.catch_warnings():
            # PEFT warns only, and the layers that it finds nothing for stay as the base has them.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            try:
                adapted = PeftModel.from_pretrained(network, str(folder))
            except UserWarning as warning:
                raise EngineError(
                    f"adapter {model.adapter} was trained on another base than {model.base}: "
                    f"{str(warning)[:200]}..."
                ) from warning
    if network.dtype == torch.float32:
        return adapted.merge_and_unload(safe_merge=True)
    return adapted.get_base_model()  # its layers hold the adapter now


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
