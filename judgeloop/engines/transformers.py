"""Answers requests with Transformers: any image-text model that it loads, on a GPU or the CPU.

A request's prompt and images are encoded once for all its samples in a batch; the samples then
continue from copies of its KV cache, each with its own seed (`judgeloop.engines.sampling`). In
float32 a text does not depend on its batch, except for ties closer than rounding; in bfloat16 near
ties are broken differently more often.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from judgeloop.engines.base import REFUSALS
from judgeloop.engines.batching import Part, Waiting
from judgeloop.engines.checkpoint import load_checkpoint
from judgeloop.engines.pictures import Pictures, UnusableImageError
from judgeloop.engines.sampling import seeded_processors
from judgeloop.models.control_tokens import ControlTokens
from judgeloop.models.local import LocalModel
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import EngineError
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.store.images import ImageLibrary

if TYPE_CHECKING:
    import torch

Conversation = list[dict[str, Any]]
Tensors = dict[str, Any]

_BATCHES_WAITING = 8
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
        model: The model to load; it is closed once it is in memory.
        images: Images are read from it.

    Raises:
        EngineError: The model cannot be loaded.
    """

    def __init__(self, settings: EngineSection, model: LocalModel, images: ImageLibrary) -> None:
        self._settings = settings
        with model:
            loaded = load_checkpoint(settings, model)
        self._network, self._processor, self._base_alone = loaded
        self._control = ControlTokens.of(self._processor)
        self._pictures = Pictures(images)
        self._unanswered: dict[int, _Unanswered] = {}
        self._waiting = Waiting()
        self._next: list[Part] = []  # a batch whose images are being decoded

    def has_room(self) -> bool:
        """Returns whether few batches are waiting; see `Engine.has_room`.

        Among these, prompts of similar length are batched together.
        """
        return len(self._waiting) < _BATCHES_WAITING * self._settings.batch_size

    def submit(self, number: int, request: Request) -> None:
        """Takes a request; see `Engine.submit`."""
        self._unanswered[number] = _Unanswered(request)
        self._waiting.add(number, request)

    def poll(self) -> list[tuple[int, Response]]:
        """Answers one batch; see `Engine.poll`.

        Raises:
            EngineError: The model failed, or the device ran out of memory.
            StoreError: Images cannot be read.
        """
        batch = self._next or self._take()
        self._next = []
        if not batch:
            return []
        try:
            with (
                nullcontext() if batch[0].request.use_adapter else self._base_alone(),
                _failures_named(batch),
            ):
                self._answer(batch)
        except BaseException:
            self._forget()
            raise
        numbers = dict.fromkeys(part.number for part in batch)
        finished = [number for number in numbers if self._unanswered[number].is_finished()]
        return [(number, self._unanswered.pop(number).response()) for number in finished]

    def close(self) -> None:
        """Frees the model's memory; the engine cannot be used afterwards."""
        import torch

        self._pictures.close()
        self._network = self._processor = None
        self._base_alone = nullcontext  # the other field holds weights
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _take(self) -> list[Part]:
        """Returns the next batch, and announces its images."""
        batch = self._waiting.take(self._settings.batch_size)
        self._pictures.announce(_images(batch))
        return batch

    def _forget(self) -> None:
        self._pictures.release(_images(self._next))
        self._next = []
        self._unanswered.clear()
        self._waiting = Waiting()

    def _answer(self, batch: Sequence[Part]) -> None:
        """Adds the text of every sample in the batch, or the error, to its request."""
        try:
            prompts = self._conversations(batch)
            tensors = self._encode(prompts, batch[0].request.sampling.max_tokens)
        finally:
            self._pictures.release(_images(batch))
        if self._waiting.has_full(self._settings.batch_size):
            self._next = self._take()
        if tensors is None:
            return
        answered = [part for part in batch if part.number in prompts]
        for number, sample in self._decode(answered, tensors):
            self._unanswered[number].samples.append(sample)

    def _conversations(self, batch: Sequence[Part]) -> dict[int, Conversation]:
        """Returns the prompts that have all of their images."""
        conversations = {}
        for part in batch:
            try:
                images = self._pictures.get(part.request.images)
            except UnusableImageError as error:
                self._refuse(part.number, str(error))
                continue
            pictures = [{"type": "image", "image": image} for image in images]
            text = self._control.defused(part.request.text)
            content = part.request.turn(pictures, {"type": "text", "text": text})
            conversations[part.number] = [{"role": "user", "content": content}]
        return conversations

    def _refuse(self, number: int, reason: str) -> None:
        self._unanswered[number].error = reason
        self._waiting.drop(number)

    def _encode(self, prompts: dict[int, Conversation], max_tokens: int) -> Tensors | None:
        """Returns the model's inputs; refused prompts are removed from `prompts`.

        If a batch fails, or a prompt in it is too long, its prompts are checked one by one.
        """
        if not prompts:
            return None
        limit = self._limit(max_tokens)
        try:
            tensors = self._tensors(list(prompts.values()))
            if tensors["input_ids"].shape[1] <= limit:
                return tensors
        except REFUSALS:
            pass
        for number, prompt in list(prompts.items()):
            refusal = self._refusal(prompt, limit)
            if refusal is not None:
                self._refuse(number, refusal)
                del prompts[number]
        return self._tensors(list(prompts.values())) if prompts else None

    def _refusal(self, prompt: Conversation, limit: int) -> str | None:
        try:
            length = self._tensors([prompt])["input_ids"].shape[1]
        except REFUSALS as error:
            return f"the model's processor refuses the prompt: {error!r}"
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

    def _decode(self, parts: Sequence[Part], tensors: Tensors) -> Iterator[tuple[int, Sample]]:
        """Generates the batch; returns the request's number and the text of every sample."""
        import torch

        sampling = parts[0].request.sampling
        rows = [row for row, part in enumerate(parts) for _ in range(part.count)]
        seeds = [
            part.request.seed + sample
            for part in parts
            for sample in range(part.first, part.first + part.count)
        ]
        spread = torch.tensor(rows, device=self._network.device)
        with torch.inference_mode():
            generated = self._network.generate(
                **{name: tensors[name][spread] for name in _PER_TOKEN if name in tensors},
                past_key_values=self._prefix_cache(tensors, spread),
                max_new_tokens=sampling.max_tokens,
                logits_processor=seeded_processors(sampling, seeds),
            )
        answers = generated[:, tensors["input_ids"].shape[1] :].tolist()
        return zip((parts[row].number for row in rows), self._read(answers), strict=True)

    def _prefix_cache(self, tensors: Tensors, spread: torch.Tensor) -> Any:
        """Encodes every prompt except for its last token, and copies its cache to its samples.

        The last token is left for `generate`, which continues from a cache with what is not in it.

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
        # The Qwen-VL family keeps each row's position offset in the model, not in the cache.
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


class _Unanswered:
    """A request and the samples of it that are finished."""

    def __init__(self, request: Request) -> None:
        self.samples: list[Sample] = []
        self.error: str | None = None
        self._request = request

    def is_finished(self) -> bool:
        return self.error is not None or len(self.samples) == self._request.draws

    def response(self) -> Response:
        if self.error is not None:
            return Response(id=self._request.id, error=self.error)
        return Response(id=self._request.id, samples=self._request.spread(self.samples))


def _images(batch: Sequence[Part]) -> list[str]:
    return [name for part in batch for name in part.request.images]


@contextmanager
def _failures_named(batch: Sequence[Part]) -> Iterator[None]:
    """Adds the batch and a remedy to an error of the model."""
    import torch

    try:
        yield
    except (MemoryError, RuntimeError, ValueError) as error:
        what = (
            f"a batch of {sum(part.count for part in batch)} samples of {len(batch)} prompts "
            f"(first {batch[0].request.id}), up to {batch[0].request.sampling.max_tokens} tokens "
            "a sample"
        )
        on_cpu = "can't allocate memory" in str(error)
        if on_cpu or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise EngineError(
                f"out of memory with {what}; lower engine.batch_size, the sampling's max_tokens or "
                f"the images' size: {error}"
            ) from error
        raise EngineError(f"the model failed on {what}: {error}") from error
