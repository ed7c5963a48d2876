"""Answers requests with vLLM in this process: continuous batching, prefix cache, LoRA adapters.

Prompts are rendered by vLLM's own chat renderer, so that the tokens are those of `LLM.chat`, and
given to its scheduler one by one: a prompt that is refused is refused alone. Images are decoded by
threads, ahead of the scheduler, and once for all requests near each other that show them.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from judgeloop.engines.base import EngineDiedError, Settle, nothing_pending
from judgeloop.engines.verdict_regex import verdict_regex
from judgeloop.engines.vllm_start import client_error, start_vllm
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling
from judgeloop.store import MissingObjectError, Store
from judgeloop.store.images import ImageLibrary

if TYPE_CHECKING:
    from PIL import Image

Pictures = dict[str, "Image.Image | str"]
"""Decoded images by hash; a text says why there is none."""

_DECODING_THREADS = 4


class VllmEngine:
    """Runs one model; its adapter is left out for requests to the base, in the same batch.

    vLLM's prefix cache keeps what it made with an adapter apart from what it made without.

    Args:
        settings: Batch size, limits and how much memory vLLM may take.
        model: The model to load.
        images: Where images come from.
        store: Where the adapter comes from.
        settle: Called before a call's first answer is taken; see `judgeloop.engines.base.Settle`.

    Raises:
        ConfigError: vLLM is not installed, or refuses the settings.
        EngineError: The model cannot be loaded or does not fit.
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
        self._started = start_vllm(settings, model, store)
        self._numbers = 0

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answers every request; see `Engine.generate`.

        Raises:
            EngineDiedError: vLLM's process died, or the device failed.
            StoreError: Images cannot be read.
        """
        answers: dict[int, Response] = {}
        running: dict[str, int] = {}
        engine = self._started.llm.llm_engine
        ahead = self._decoded(requests)
        left = True
        try:
            while left or running:
                while left and len(running) < 2 * self._settings.batch_size:
                    try:
                        index, pictures = next(ahead)
                    except StopIteration:
                        left = False
                        break
                    refusal = self._add(requests[index], pictures, sampling, running, index)
                    if refusal is not None:
                        answers[index] = Response(id=requests[index].id, error=refusal)
                for output in engine.step() if running else ():
                    self._settle()
                    index = running.pop(output.request_id)
                    answers[index] = self._response(requests[index], output, sampling)
        except _deadly() as error:
            reason = str(error).rstrip(".") or type(error).__name__
            raise EngineDiedError(
                f"vLLM died while it answered {len(running)} requests (first "
                f"{requests[min(running.values(), default=0)].id}): {reason}. "
                "Killed for memory? Then lower engine.batch_size, engine.vllm.memory_share or "
                "engine.vllm.cpu_cache_mib; vLLM's own log above names a device error"
            ) from error
        finally:
            ahead.close()
            if running:
                self._forget(list(running))
        return [answers[index] for index in range(len(requests))]

    def close(self) -> None:
        """Frees the model's memory; the engine is of no use afterwards."""
        self._started.close()
        gc.collect()

    def _decoded(self, requests: Sequence[Request]) -> Generator[tuple[int, Pictures], None, None]:
        """Yields each request's number and its images, decoded ahead by threads.

        An image is decoded once as long as requests that show it are close to each other, as both
        orders of a pair are. No more than two batches of images wait in memory.
        """
        window = 2 * self._settings.batch_size
        decoding: dict[str, Future[Image.Image | str]] = {}
        users: dict[str, int] = {}
        waiting: deque[int] = deque()
        pool = ThreadPoolExecutor(_DECODING_THREADS, thread_name_prefix="decode")
        try:
            for index in range(len(requests) + window):
                if index < len(requests):
                    waiting.append(index)
                    for name in requests[index].images:
                        users[name] = users.get(name, 0) + 1
                        if name not in decoding:
                            decoding[name] = pool.submit(self._decode, name)
                if waiting and (len(waiting) > window or index >= len(requests)):
                    first = waiting.popleft()
                    names = requests[first].images
                    yield first, {name: decoding[name].result() for name in names}
                    for name in names:
                        users[name] -= 1
                        if not users[name]:
                            del users[name], decoding[name]
        finally:
            pool.shutdown(cancel_futures=True)

    def _decode(self, name: str) -> Image.Image | str:
        try:
            image = self._images.open(name)
        except (DataError, MissingObjectError) as error:
            return str(error)
        limit = self._settings.vllm.max_pixels
        if limit is not None and image.width * image.height > limit:
            share = (limit / (image.width * image.height)) ** 0.5
            image = image.resize(
                (max(1, int(image.width * share)), max(1, int(image.height * share)))
            )
        return image

    def _add(
        self,
        request: Request,
        pictures: Pictures,
        sampling: Sampling,
        running: dict[str, int],
        index: int,
    ) -> str | None:
        """Gives a request to the scheduler; returns why it cannot be answered, if so."""
        for picture in pictures.values():
            if isinstance(picture, str):
                return picture
        started = self._started
        try:
            prompt = started.render(request.text, [(it, pictures[it]) for it in request.images])
        except ValueError as error:
            return f"the model's processor refuses the prompt: {error}"
        refusal = self._refusal(prompt, sampling.max_tokens)
        if refusal is not None:
            started.forget_images(prompt)
            return refusal
        self._numbers += 1
        number = str(self._numbers)
        running[number] = index
        regex = verdict_regex(request) if self._settings.vllm.structured_verdict else None
        adapter = None if request.to_base else started.adapter
        try:
            started.llm.llm_engine.add_request(
                number, prompt, _parameters(request, sampling, regex), lora_request=adapter
            )
        except (ValueError, client_error()) as error:
            del running[number]
            started.forget_images(prompt)
            return f"vLLM refuses the request: {error}"
        return None

    def _refusal(self, prompt: dict[str, Any], max_tokens: int) -> str | None:
        length = len(prompt["prompt_token_ids"])
        limit = min(self._settings.max_prompt_tokens, self._started.context - max_tokens)
        if length > limit:
            return (
                f"the prompt has {length} tokens, the limit is {limit} (the smaller of "
                "engine.max_prompt_tokens and the model's context less sampling.max_tokens); "
                "leave this item out or raise the limit"
            )
        if self._started.fakes_image(prompt):
            return "the model's processor refuses the prompt: its text holds the mark of an image"
        return None

    def _response(self, request: Request, output: Any, sampling: Sampling) -> Response:
        """Makes a response of a finished vLLM request.

        Whole texts are decoded, as by Transformers: vLLM's own, made word by word, may begin with
        a space that the tokenizer would leave out.
        """
        made = sorted(output.outputs, key=lambda it: int(it.index))
        if odd := {str(it.finish_reason) for it in made} - {"stop", "length"}:
            return Response(id=request.id, error=f"vLLM gave up: {', '.join(sorted(odd))}")
        tokens = [list(it.token_ids) for it in made]
        ended = [it.finish_reason == "stop" for it in made]
        texts = self._started.llm.get_tokenizer().batch_decode(
            [ids[:-1] if end else ids for ids, end in zip(tokens, ended, strict=True)],
            skip_special_tokens=True,
        )
        samples = tuple(
            Sample(text=text, finish_reason="stop" if end else "length", tokens=len(ids))
            for text, ids, end in zip(texts, tokens, ended, strict=True)
        )
        copies = request.n if sampling.temperature == 0 else 1
        return Response(id=request.id, samples=samples * copies)

    def _forget(self, numbers: list[str]) -> None:
        """Takes requests out of the scheduler, so that the next call does not get their answers."""
        try:
            self._started.llm.llm_engine.abort_request(numbers)
        except _deadly():
            return


def _deadly() -> tuple[type[Exception], ...]:
    """What vLLM raises when its processes are gone, or when the device fails in this one."""
    from vllm.v1.engine.exceptions import EngineDeadError

    return (EngineDeadError, RuntimeError, MemoryError)


def _parameters(request: Request, sampling: Sampling, regex: str | None) -> Any:
    """Says in vLLM's words how tokens are drawn; sample i gets the seed `request.seed + i`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    greedy = sampling.temperature == 0
    return SamplingParams(
        n=1 if greedy else request.n,
        temperature=sampling.temperature,
        top_p=1.0 if greedy else sampling.top_p,
        top_k=0 if greedy else sampling.top_k,
        seed=request.seed,
        max_tokens=sampling.max_tokens,
        structured_outputs=None if regex is None else StructuredOutputsParams(regex=regex),
        output_kind=RequestOutputKind.FINAL_ONLY,
        detokenize=False,
    )
