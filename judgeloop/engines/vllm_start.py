"""Starts vLLM for a model: environment, arguments, and checks before the model is loaded."""

from __future__ import annotations

import copy
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgeloop.engines.memory import check_memory
from judgeloop.models.local import LocalModel
from judgeloop.models.peft_folder import adapter_rank, check_adapter, check_language_only
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request

if TYPE_CHECKING:
    from vllm import LLM
    from vllm.lora.request import LoRARequest

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM has kernels for; an adapter uses the next larger one."""
ANSWER_ROOM = 2048
"""Tokens left for an answer where the configuration sets no length."""
_WATCH_S = 0.5
_CPU_STEP_TOKENS = 4096
"""Prompt tokens that a CPU processes per step, unless a single prompt is longer."""


class StartedVllm:
    """A running vLLM with one model.

    Args:
        llm: The engine.
        adapter: The judge's adapter; None is the base.
        model: The loaded model; its files are kept as long as the engine.
    """

    def __init__(self, llm: LLM, adapter: LoRARequest | None, model: LocalModel) -> None:
        from vllm.renderers import ChatParams
        from vllm.renderers.params import TokenizeParams

        self.llm = llm
        self.adapter = adapter
        self.context = int(llm.model_config.max_model_len)
        """Tokens of prompt and answer together."""
        # A copy, since the renderer's may be in use in another thread.
        self.tokenizer = copy.deepcopy(llm.get_tokenizer())
        self._model = model
        config = llm.model_config.hf_config
        self._image_token = getattr(config, "image_token_id", None)
        # No limit here: the engine counts a prompt with its images, and refuses it with the number.
        self._tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=False)
        self._chat = ChatParams(
            chat_template_kwargs={"add_generation_prompt": True, "tokenize": False}
        )

        self._closed = threading.Event()
        threading.Thread(
            target=self._watch, args=(llm.llm_engine.engine_core,), daemon=True
        ).start()

    def render(
        self, request: Request, text: str, pictures: Sequence[tuple[str, Any]]
    ) -> dict[str, Any]:
        """Renders the prompt of a user turn as `LLM.chat` does; its tokens include the images'.

        Args:
            request: Defines where the images are placed.
            text: Its text without control tokens.
            pictures: Hash and decoded image of each.

        Raises:
            ValueError: The processor refuses it.
        """
        parts: list[dict[str, Any]] = [
            {"type": "image_pil", "image_pil": image, "uuid": name} for name, image in pictures
        ]
        turn = {"role": "user", "content": request.turn(parts, {"type": "text", "text": text})}
        try:
            _, (prompt,) = self.llm.renderer.render_chat([[turn]], self._chat, self._tokens)
        except client_error() as error:
            raise ValueError(str(error)) from error
        return dict(prompt)

    def forget_images(self, prompt: dict[str, Any]) -> None:
        """Removes the images of a prompt from vLLM's cache, since its process never gets them.

        Otherwise vLLM would send a later prompt with the same image without the image.
        """
        cache = self.llm.renderer.mm_processor_cache
        for name in prompt.get("mm_hashes", {}).get("image", ()):
            if cache is not None:
                cache.invalidate(name)

    def fakes_image(self, prompt: dict[str, Any]) -> bool:
        """Returns whether the text itself contains an image token at a place without an image."""
        places = prompt.get("mm_placeholders", {}).get("image", ())
        inside = {at for it in places for at in range(it.offset, it.offset + it.length)}
        return any(
            token == self._image_token and at not in inside
            for at, token in enumerate(prompt["prompt_token_ids"])
        )

    def _watch(self, core: Any) -> None:
        """Wakes the thread that waits for answers when vLLM's process has died.

        vLLM detects this itself and marks the engine as dead, but a wait that began earlier would
        never end.
        """
        from vllm.v1.engine.exceptions import EngineDeadError

        answers = getattr(core, "outputs_queue", None)  # vLLM in this process has none
        while answers is not None and not self._closed.wait(_WATCH_S):
            if core.resources.engine_dead:
                answers.put_nowait(EngineDeadError())
                return

    def close(self) -> None:
        """Ends vLLM and its processes, and frees its memory."""
        self._closed.set()
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        cleanup_dist_env_and_memory()
        self._model.close()


def start_vllm(settings: EngineSection, model: LocalModel) -> StartedVllm:
    """Loads a model, and its adapter, into vLLM; the model is closed with it.

    Raises:
        ConfigError: vLLM is not installed.
        EngineError: The model or its adapter cannot be loaded or served, or does not fit.
    """
    try:
        return _start(settings, model)
    except BaseException:
        model.close()
        raise


def _start(settings: EngineSection, model: LocalModel) -> StartedVllm:
    folder, named = model.adapter, model.reference
    extra: dict[str, Any] = {}
    if folder is not None:
        check_adapter(folder, named.adapter, named.base)
        check_language_only(folder, named.adapter)
        extra = {"enable_lora": True, "max_lora_rank": kernel_rank(folder, named.adapter)}
    with _failures_named(named):
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(
            model.base, revision=named.revision, trust_remote_code=False
        )
        dtype = _dtype(settings, config)
        check_memory(settings, model.base, dtype)
        _prepare_environment()
        from vllm import LLM
        from vllm.lora.request import LoRARequest

        llm = LLM(**_arguments(settings, model, config, dtype), **extra)
    adapter = None if folder is None else LoRARequest("judge", 1, str(folder))
    return StartedVllm(llm, adapter, model)


def _prepare_environment() -> None:
    """Sets the variables that vLLM reads at its import, unless the user has set them.

    On a CPU it runs in this process, which starts four times as fast, and compiles nothing, which
    would need a C++ compiler. On a GPU it keeps its own process: if that dies, this one does not.
    """
    import torch

    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # no usage statistics
    # The check for a GPU has initialized CUDA here, so a forked process could not use it.
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    # On a failure it would print all its inputs, pixel by pixel, before the reason.
    logging.getLogger("vllm.logging_utils.dump_input").setLevel(logging.CRITICAL)
    if not torch.cuda.is_available():
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        # Tasks run in parallel: pinned to the first core, all would wait for it.
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")


def _arguments(
    settings: EngineSection, model: LocalModel, config: Any, dtype: str
) -> dict[str, Any]:
    import torch

    section = settings.vllm
    text = config.get_text_config()
    context = getattr(text, "max_position_embeddings", None)
    length = section.max_model_len or settings.max_prompt_tokens + ANSWER_ROOM
    arguments: dict[str, Any] = {
        "model": model.base,
        "revision": model.reference.revision,
        "tokenizer_revision": model.reference.revision,
        "trust_remote_code": False,
        "load_format": "safetensors",
        "dtype": dtype,
        "max_model_len": length if context is None else min(length, context),
        "max_num_seqs": settings.batch_size,
        "tensor_parallel_size": section.tensor_parallel,
        "gpu_memory_utilization": section.memory_share,
        "limit_mm_per_prompt": {"image": section.max_images, "video": 0},
        "enable_prefix_caching": True,
        "generation_config": "auto",  # only its end tokens are used: sampling is given in full
        "seed": 0,  # every request has its own seed
    }
    if not torch.cuda.is_available():
        arguments |= {
            "enforce_eager": True,
            "kv_cache_memory_bytes": section.cpu_cache_mib * 2**20,
            # Chunked prefill needs to reset the state of a request's seed, at which vLLM fails on a
            # CPU: "CPU Generator does not use offset". So prompts are not chunked.
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(_CPU_STEP_TOKENS, arguments["max_model_len"]),
            # On a CPU the index for no adapter, -1, counts from the end: a request to the base gets
            # the adapter in the last slot. So there is one more slot than the judge needs, left
            # empty.
            "max_loras": 2,
        }
    return arguments


def _dtype(settings: EngineSection, config: Any) -> str:
    """Returns the dtype: for `auto` the checkpoint's, as the other engines use it.

    vLLM's own `auto` would convert a float32 checkpoint to 16 bits.
    """
    if settings.dtype != "auto":
        return settings.dtype
    found = getattr(config, "dtype", None) or getattr(config.get_text_config(), "dtype", None)
    return "auto" if found is None else str(found).removeprefix("torch.")


def kernel_rank(folder: Path, name: str | None) -> int:
    """Returns the smallest rank of vLLM's kernels that is at least an adapter's rank.

    Raises:
        EngineError: None is large enough.
    """
    rank = adapter_rank(folder, name)
    fitting = [it for it in RANKS if it >= rank]
    if not fitting:
        raise EngineError(
            f"adapter {name} has rank {rank}, vLLM serves up to {RANKS[-1]}; merge it into its "
            "base, or set engine.kind to transformers"
        )
    return fitting[0]


@contextmanager
def _failures_named(model: ModelRef) -> Iterator[None]:
    """Adds the model and what to check to the error of a failed start."""
    try:
        yield
    except ImportError as error:
        raise ConfigError(
            f"the engine `vllm` lacks a package: {error}. Install judgeloop[cpu] on a machine "
            "without a GPU, vllm==0.32.0 on one with a GPU, or use an image that has it"
        ) from error
    except EngineError:
        raise
    except Exception as error:  # vLLM, Transformers and torch raise many types of exceptions
        raise EngineError(
            f"vLLM cannot load model {model.base} (revision {model.revision}, adapter "
            f"{model.adapter}): {error}. Check model.base: an image-text model that vLLM serves, "
            "with a processor and safetensors weights; where memory is short, lower "
            "engine.batch_size or engine.vllm.max_model_len"
        ) from error


def client_error() -> type[Exception]:
    """Returns the base class of vLLM's errors about its input; other errors mean that it died."""
    from vllm.exceptions import VLLMClientError

    base: type[Exception] = VLLMClientError
    return base
