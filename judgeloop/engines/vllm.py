"""Answers requests with vLLM in this process: continuous batching, prefix cache, LoRA adapters.

Prompts are rendered by vLLM's own chat renderer, so that the tokens are those of `LLM.chat`, and
passed to its scheduler one by one, so that a refused prompt fails alone. Threads decode images and
render prompts a few requests ahead of the scheduler.
"""

from __future__ import annotations

import gc
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from typing import Any

from judgeloop.engines.base import REFUSALS, EngineDiedError
from judgeloop.engines.pictures import Pictures, UnusableImageError
from judgeloop.engines.verdict_regex import verdict_regex
from judgeloop.engines.vllm_start import client_error, start_vllm
from judgeloop.models.control_tokens import ControlTokens
from judgeloop.models.local import LocalModel
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.store.images import ImageLibrary

Prompt = dict[str, Any]
"""A prompt as vLLM's renderer returns it."""

_AHEAD = 16
"""Requests whose images are decoded, or prompts rendered, before the scheduler has room for them.
At most this many full-size images are in memory."""
_WAITING_SHARE = 4
"""Requests that wait in the scheduler itself, as one part in this many of its slots: they fill
slots that are freed while this process does something else."""


class VllmEngine:
    """Runs one model; its adapter is left out for requests to the base, in the same batch.

    vLLM's prefix cache keeps entries with an adapter apart from those without.

    Args:
        settings: Batch size, limits and how much memory vLLM may take.
        model: The model to load; it is closed with the engine.
        images: Images are read from it.

    Raises:
        ConfigError: vLLM is not installed, or refuses the settings.
        EngineError: The model cannot be loaded or does not fit.
    """

    def __init__(self, settings: EngineSection, model: LocalModel, images: ImageLibrary) -> None:
        self._settings = settings
        self._started = start_vllm(settings, model)
        self._control = ControlTokens.of(self._started.tokenizer)
        self._pictures = Pictures(images)
        # One thread: vLLM's cache of processed images needs prompts in the scheduler's order.
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="render")
        self._rendering: deque[tuple[int, Request, Future[Prompt | str]]] = deque()
        self._running: dict[str, tuple[int, Request]] = {}
        self._names = count()

    def has_room(self) -> bool:
        """Returns whether few prompts are ready for the scheduler; see `Engine.has_room`."""
        return len(self._rendering) < _AHEAD

    def submit(self, number: int, request: Request) -> None:
        """Takes a request; see `Engine.submit`."""
        self._pictures.announce(request.images)
        self._rendering.append((number, request, self._renderer.submit(self._render, request)))

    def poll(self) -> list[tuple[int, Response]]:
        """Runs one step of vLLM; see `Engine.poll`.

        Raises:
            EngineDiedError: vLLM's process died, or the device failed.
            StoreError: Images cannot be read.
        """
        try:
            answers = self._schedule()
            for output in self._started.llm.llm_engine.step() if self._running else ():
                number, request = self._running.pop(output.request_id)
                answers.append((number, self._response(request, output)))
            return answers
        except _deadly() as error:
            reason = str(error).rstrip(".") or type(error).__name__
            first = next(iter(self._running.values()), None)
            died = EngineDiedError(
                f"vLLM died while it answered {len(self._running)} requests (first "
                f"{'none' if first is None else first[1].id}): {reason}. "
                "Killed for memory? Then lower engine.batch_size, engine.vllm.memory_share or "
                "engine.vllm.cpu_cache_mib; vLLM's own log above names a device error"
            )
            self._forget()
            raise died from error
        except BaseException:
            self._forget()
            raise

    def close(self) -> None:
        """Frees the model's memory; the engine cannot be used afterwards."""
        self._renderer.shutdown(cancel_futures=True)
        self._pictures.close()
        self._started.close()
        gc.collect()

    def _schedule(self) -> list[tuple[int, Response]]:
        """Passes rendered prompts to the scheduler; returns responses for the refused ones."""
        slots = self._settings.batch_size
        most = slots + max(_AHEAD, slots // _WAITING_SHARE)
        refused: list[tuple[int, Response]] = []
        while self._rendering and self._started.llm.llm_engine.get_num_unfinished_requests() < most:
            number, request, rendered = self._rendering[0]
            if not rendered.done() and (self._running or refused):
                break
            prompt = rendered.result()
            self._rendering.popleft()
            refusal = prompt if isinstance(prompt, str) else self._add(number, request, prompt)
            if refusal is not None:
                refused.append((number, Response(id=request.id, error=refusal)))
        return refused

    def _render(self, request: Request) -> Prompt | str:
        """Renders vLLM's prompt of a request; returns the error if it is refused."""
        try:
            images = self._pictures.get(request.images)
            pictures = list(zip(request.images, images, strict=True))
            prompt = self._started.render(request, self._control.defused(request.text), pictures)
        except UnusableImageError as error:
            return str(error)
        except REFUSALS as error:
            return f"the model's processor refuses the prompt: {error}"
        finally:
            self._pictures.release(request.images)
        refusal = self._refusal(prompt, request.sampling.max_tokens)
        if refusal is None:
            return prompt
        self._started.forget_images(prompt)
        return refusal

    def _add(self, number: int, request: Request, prompt: Prompt) -> str | None:
        """Passes a prompt to the scheduler; returns the error if it is refused."""
        name = str(next(self._names))
        regex = verdict_regex(request) if self._settings.vllm.structured_verdict else None
        adapter = self._started.adapter if request.use_adapter else None
        try:
            self._started.llm.llm_engine.add_request(
                name, prompt, _parameters(request, regex), lora_request=adapter
            )
        except (ValueError, client_error()) as error:
            self._renderer.submit(self._started.forget_images, prompt).result()
            return f"vLLM refuses the request: {error}"
        self._running[name] = number, request
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
            return "the model's processor refuses the prompt: its text contains an image token"
        return None

    def _response(self, request: Request, output: Any) -> Response:
        """Builds the response to a finished vLLM request.

        Whole texts are decoded, as by Transformers: vLLM's own texts, decoded incrementally, may
        begin with a space that the tokenizer would leave out.
        """
        outputs = sorted(output.outputs, key=lambda it: int(it.index))
        if odd := {str(it.finish_reason) for it in outputs} - {"stop", "length"}:
            return Response(
                id=request.id, error=f"vLLM aborted the request: {', '.join(sorted(odd))}"
            )
        tokens = [list(it.token_ids) for it in outputs]
        ended = [it.finish_reason == "stop" for it in outputs]
        texts = self._started.tokenizer.batch_decode(
            [ids[:-1] if end else ids for ids, end in zip(tokens, ended, strict=True)],
            skip_special_tokens=True,
        )
        samples = [
            Sample(text=text, finish_reason="stop" if end else "length", tokens=len(ids))
            for text, ids, end in zip(texts, tokens, ended, strict=True)
        ]
        return Response(id=request.id, samples=request.spread(samples))

    def _forget(self) -> None:
        """Removes all requests from the scheduler, and rendered prompts from vLLM's image cache."""
        rendering, self._rendering = self._rendering, deque()
        for _, request, rendered in rendering:
            if rendered.cancel():
                self._pictures.release(request.images)
            elif rendered.exception() is None and not isinstance(prompt := rendered.result(), str):
                self._started.forget_images(prompt)
        running, self._running = self._running, {}
        try:
            self._started.llm.llm_engine.abort_request(list(running))
        except _deadly():
            return


def _deadly() -> tuple[type[Exception], ...]:
    """Returns the exceptions that vLLM raises when its processes die or the device fails."""
    from vllm.v1.engine.exceptions import EngineDeadError

    return (EngineDeadError, RuntimeError, MemoryError)


def _parameters(request: Request, regex: str | None) -> Any:
    """Returns vLLM's sampling parameters; sample i gets the seed `request.seed + i`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams

    sampling = request.sampling
    greedy = sampling.temperature == 0
    return SamplingParams(
        n=request.draws,
        temperature=sampling.temperature,
        top_p=1.0 if greedy else sampling.top_p,
        top_k=0 if greedy else sampling.top_k,
        seed=request.seed,
        max_tokens=sampling.max_tokens,
        structured_outputs=None if regex is None else StructuredOutputsParams(regex=regex),
        output_kind=RequestOutputKind.FINAL_ONLY,
        detokenize=False,
    )
