"""Answers requests with Transformers: every image-text model that it loads, on a GPU or the CPU.

A request's prompt and images are encoded once for all its samples in a batch; the samples then go
on from copies of its attention cache, each with its own seed (`judgeloop.engines.sampling`). In
float32 a text is the same whatever batch it is made in, but for ties closer than rounding; bfloat16
breaks near ties more often.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import TYPE_CHECKING, Any

from judgeloop.engines.base import Settle, nothing_pending
from judgeloop.engines.batching import Part, batches
from judgeloop.engines.checkpoint import load_checkpoint
from judgeloop.engines.sampling import seeded_processors
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import DataError, EngineError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling
from judgeloop.store import MissingObjectError, Store
from judgeloop.store.images import ImageLibrary

if TYPE_CHECKING:
    import torch

Conversation = list[dict[str, Any]]
Tensors = dict[str, Any]

_PER_TOKEN = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "mm_token_type_ids",
    "cross_attention_mask",  # Mllama: [prompts, tokens, images, tiles]
)
"""Inputs whose first two dimensions are prompts and tokens."""


class TransformersEngine:
    """Runs one model in this process; its adapter is left out for requests to the base.

    Args:
        settings: Batch size, number format and the limit of prompts.
        model: The model to load.
        images: Where images come from.
        store: Where the adapter comes from.
        settle: Called before a call's first answer is taken; see `judgeloop.engines.base.Settle`.

    Raises:
        EngineError: The model cannot be loaded.
        StoreError: The adapter is missing or damaged.
    """

    def __init__(
        self,
        settings: EngineSection,
        model: ModelRef,
        images: ImageLibrary,
        store: Store,
        settle: Settle = nothing_pending,
    ) -> None:
        self._settle = settle
        self._settings = settings
        self._images = images
        loaded = load_checkpoint(settings, model, store)
        self._network, self._processor, self._base_alone = loaded

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answers every request; see `Engine.generate`.

        Raises:
            EngineError: The model failed, or the device ran out of memory.
            StoreError: Images cannot be read.
        """
        greedy = sampling.temperature == 0
        samples: dict[int, list[Sample]] = {index: [] for index in range(len(requests))}
        errors: dict[int, str] = {}
        packed = batches(requests, self._settings.batch_size, greedy)
        for to_base, alike in groupby(packed, key=lambda batch: batch[0].request.to_base):
            with self._base_alone() if to_base else nullcontext():
                for batch in alike:
                    with _failures_named(batch, sampling):
                        made = self._answer(batch, sampling, errors)
                    self._settle()
                    for index, sample in made:
                        samples[index].append(sample)
        return [
            Response(id=request.id, error=errors[index])
            if index in errors
            else Response(
                id=request.id, samples=tuple(samples[index] * (request.n if greedy else 1))
            )
            for index, request in enumerate(requests)
        ]

    def _answer(
        self, batch: Sequence[Part], sampling: Sampling, errors: dict[int, str]
    ) -> Iterator[tuple[int, Sample]]:
        """Returns the request index and the text of every sample that the batch can have."""
        prompts = self._conversations(batch, errors)
        tensors = self._encode(prompts, sampling.max_tokens, errors)
        if tensors is None:
            return iter(())
        return self._decode([part for part in batch if part.index in prompts], tensors, sampling)

    def close(self) -> None:
        """Frees the model's memory; the engine is of no use afterwards."""
        import torch

        self._network = self._processor = None
        self._base_alone = nullcontext  # the other one holds weights
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _conversations(
        self, batch: Sequence[Part], errors: dict[int, str]
    ) -> dict[int, Conversation]:
        """Opens the batch's images, each once, and returns the prompts that have all of theirs."""
        hashes = {name for part in batch for name in part.request.images}
        self._images.prefetch(sorted(hashes))
        opened: dict[str, Any] = {}
        conversations = {}
        for part in batch:
            try:
                for name in part.request.images:
                    if name not in opened:
                        opened[name] = self._images.open(name)
            except (DataError, MissingObjectError) as error:
                errors[part.index] = str(error)
                continue
            pictures = [{"type": "image", "image": opened[name]} for name in part.request.images]
            content = [*pictures, {"type": "text", "text": part.request.text}]
            conversations[part.index] = [{"role": "user", "content": content}]
        return conversations

    def _encode(
        self, prompts: dict[int, Conversation], max_tokens: int, errors: dict[int, str]
    ) -> Tensors | None:
        """Makes the model's inputs of all prompts that it can take; the others leave `prompts`.

        A batch that fails, or in which a prompt is too long, is looked through one by one.
        """
        if not prompts:
            return None
        limit = self._limit(max_tokens)
        try:
            tensors = self._tensors(list(prompts.values()))
            if tensors["input_ids"].shape[1] <= limit:
                return tensors
        except ValueError:
            pass
        for index, prompt in list(prompts.items()):
            refusal = self._refusal(prompt, limit)
            if refusal is not None:
                errors[index] = refusal
                del prompts[index]
        return self._tensors(list(prompts.values())) if prompts else None

    def _refusal(self, prompt: Conversation, limit: int) -> str | None:
        try:
            length = self._tensors([prompt])["input_ids"].shape[1]
        except ValueError as error:
            return f"the model's processor refuses the prompt: {error}"
        if length <= limit:
            return None
        return (
            f"the prompt has {length} tokens, the limit is {limit} (the smaller of "
            "engine.max_prompt_tokens and the model's context less sampling.max_tokens); "
            "leave this item out or raise the limit"
        )

    def _limit(self, max_tokens: int) -> int:
        text = self._network.config.get_text_config()
        context = getattr(text, "max_position_embeddings", None)
        limit = self._settings.max_prompt_tokens
        return limit if context is None else min(limit, context - max_tokens)

    def _tensors(self, prompts: Sequence[Conversation]) -> Tensors:
        encoded = self._processor.apply_chat_template(
            prompts,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        floats = encoded.to(self._network.device, self._network.dtype)  # integers stay as they are
        return dict(floats)

    def _decode(
        self, parts: Sequence[Part], tensors: Tensors, sampling: Sampling
    ) -> Iterator[tuple[int, Sample]]:
        """Returns the request index and the text of every sample of the batch."""
        import torch

        rows = [row for row, part in enumerate(parts) for _ in range(part.count)]
        seeds = [
            part.request.seed + sample
            for part in parts
            for sample in range(part.first, part.first + part.count)
        ]
        spread = torch.tensor(rows, device=self._network.device)
        with torch.inference_mode():
            made = self._network.generate(
                **{name: tensors[name][spread] for name in _PER_TOKEN if name in tensors},
                past_key_values=self._prefix_cache(tensors, spread),
                max_new_tokens=sampling.max_tokens,
                logits_processor=seeded_processors(sampling, seeds),
            )
        answers = made[:, tensors["input_ids"].shape[1] :].tolist()
        return zip((parts[row].index for row in rows), self._read(answers), strict=True)

    def _prefix_cache(self, tensors: Tensors, spread: torch.Tensor) -> Any:
        """Encodes every prompt but for its last token, and copies its cache to its samples.

        The last token is left for `generate`, which goes on from a cache with what is not in it.

        Args:
            tensors: Inputs of the prompts.
            spread: Row of the prompt for each sample [samples].
        """
        prefix = {
            name: value[:, :-1] if name in _PER_TOKEN else value for name, value in tensors.items()
        }
        cache = self._network.generate(
            **prefix, max_new_tokens=1, return_dict_in_generate=True
        ).past_key_values
        cache.batch_select_indices(spread)
        # The Qwen-VL family keeps each row's shift of positions in the model, not in the cache.
        inner = self._network.base_model
        if getattr(inner, "rope_deltas", None) is not None:
            inner.rope_deltas = inner.rope_deltas[spread]
        return cache

    def _read(self, answers: list[list[int]]) -> list[Sample]:
        """Cuts generated tokens [samples][tokens] at the end token and decodes them."""
        ends = self._network.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends)
        lengths = [
            next((place for place, token in enumerate(answer) if token in ends), None)
            for answer in answers
        ]
        texts = self._processor.batch_decode(
            [answer[:length] for answer, length in zip(answers, lengths, strict=True)],
            skip_special_tokens=True,
        )
        return [
            Sample(text=text, finish_reason="length", tokens=len(answer))
            if length is None
            else Sample(text=text, finish_reason="stop", tokens=length + 1)
            for text, answer, length in zip(texts, answers, lengths, strict=True)
        ]


@contextmanager
def _failures_named(batch: Sequence[Part], sampling: Sampling) -> Iterator[None]:
    """Says of a model's failure with which batch it was, and what to make smaller."""
    import torch

    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        what = (
            f"a batch of {sum(part.count for part in batch)} samples of {len(batch)} prompts "
            f"(first {batch[0].request.id}), up to {sampling.max_tokens} tokens a sample"
        )
        on_cpu = "can't allocate memory" in str(error)
        if on_cpu or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise EngineError(
                f"out of memory with {what}; lower engine.batch_size, the sampling's max_tokens or "
                f"the images' size: {error}"
            ) from error
        raise EngineError(f"the model failed on {what}: {error}") from error
