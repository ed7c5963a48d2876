"""Answers requests with an OpenAI-compatible server: a served judge, or a cloud service.

Each sample is a request of its own with its own seed, because servers differ in how they seed
several samples. So a retry repeats one sample, and a prompt is counted once per sample. Whether a
seed reproduces a text depends on the server: vLLM reproduces it up to its arithmetic, cloud
services guarantee nothing.
"""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from judgeloop.engines.chat import ChatClient
from judgeloop.engines.chat_answer import Completion, RefusedError
from judgeloop.models.control_tokens import ControlTokens
from judgeloop.models.references import without_adapter
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, DataError, EngineError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response, Sample, Usage
from judgeloop.schema.sampling import Sampling
from judgeloop.store import MissingObjectError
from judgeloop.store.images import ImageLibrary
from judgeloop.store.images.portable import portable_image

Content = list[dict[str, Any]]

_NAME_DIGITS = 16
_PLAIN_ADVICE = (
    "Set what it does not know to 0 (top_k), lower max_tokens, and check that the served model "
    "takes images"
)
_PROBE = "Reply with one word."
_PROBE_SIZE = (64, 64)

_CONTROL = ControlTokens()
"""Control tokens of the common families: a service does not publish those of its tokenizer."""


class EndpointEngine:
    """Answers requests with a remote server.

    Args:
        settings: The endpoint, the number of concurrent samples, the prompt limit.
        model: The base, or the base with an adapter, which the server must serve by name. With an
            adapter, it must also serve the base if a request asks the base.
        images: Images are read from it.

    Raises:
        ConfigError: There is no endpoint, or its key is not set.
        EngineError: The server does not answer, refuses the key, or does not serve the model.
    """

    def __init__(self, settings: EngineSection, model: ModelRef, images: ImageLibrary) -> None:
        if settings.endpoint is None:
            raise ConfigError("engine.kind `openai` needs engine.endpoint with its url and model")
        self._settings = settings
        self._images = images
        self._model, self._base_name = model, settings.endpoint.model
        self._client = ChatClient(settings.endpoint)
        self._probing = asyncio.Lock()
        self._refusals: dict[tuple[str, Sampling, bool], str | None] = {}
        self._slots = asyncio.Semaphore(settings.batch_size)
        self._jobs: dict[int, _Job] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._runner = asyncio.Runner()
        try:
            self._served = self._runner.run(self._client.served())
            self._name(use_adapter=True)
        except BaseException:
            self.close()
            raise

    def has_room(self) -> bool:
        """Returns whether fewer samples than two batches are unanswered; see `Engine.has_room`."""
        return len(self._asking) < 2 * self._settings.batch_size

    def submit(self, number: int, request: Request) -> None:
        """Takes a request; see `Engine.submit`.

        Raises:
            EngineError: The request asks the base, which the server does not serve.
        """
        try:
            model = self._name(request.use_adapter)
        except EngineError:
            self._runner.run(self._forget())
            raise
        job = _Job(request, model, self._client.form.is_greedy(request.sampling))
        self._jobs[number] = job
        loop = self._runner.get_loop()
        self._asking |= {loop.create_task(self._ask(job, it)) for it in range(job.left)}

    def poll(self) -> list[tuple[int, Response]]:
        """Waits for the next answer of the server; see `Engine.poll`.

        Raises:
            EngineError: The server failed, or refuses every request with these settings.
            StoreError: Images cannot be read.
        """
        try:
            self._runner.run(self._wait())
        except BaseException:
            self._runner.run(self._forget())
            raise
        finished = [number for number, job in self._jobs.items() if job.is_finished()]
        return [(number, self._jobs.pop(number).response()) for number in finished]

    def close(self) -> None:
        """Closes the connections; the engine cannot be used afterwards."""
        self._runner.run(self._forget())
        self._runner.run(self._client.close())
        self._runner.close()

    def _name(self, use_adapter: bool) -> str:
        """Returns the name under which the server serves the judge, or its base alone."""
        model = self._model if use_adapter else without_adapter(self._model)
        return _served_name(self._base_name, model, self._served)

    async def _wait(self) -> None:
        """Waits until one sample has arrived or failed."""
        if not self._asking:
            return
        done, self._asking = await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
        failures = [error for task in done if (error := task.exception()) is not None]
        if failures:
            raise failures[0]

    async def _forget(self) -> None:
        """Cancels the pending requests."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)
        self._asking.clear()
        self._jobs.clear()

    async def _ask(self, job: _Job, number: int) -> None:
        async with self._slots:
            if job.error is None:
                await self._complete(job, number)
        job.left -= 1

    async def _complete(self, job: _Job, number: int) -> None:
        request = job.request
        try:
            content = await job.content(self._images)
            completion = await self._client.complete(
                job.model, content, request.sampling, request.seed + number
            )
        except (DataError, MissingObjectError) as error:
            job.error = str(error)
        except RefusedError as error:
            await self._blame(job, request.sampling, error)
        else:
            job.add(number, completion, self._settings.max_prompt_tokens)

    async def _blame(self, job: _Job, sampling: Sampling, refusal: RefusedError) -> None:
        """Sends a plain request with the same settings, to check if the item caused a refusal.

        Raises:
            EngineError: That is refused as well, so the item is not the cause.
        """
        key = (job.model, sampling, bool(job.request.images))
        async with self._probing:
            if key not in self._refusals:
                self._refusals[key] = await self._probe(*key)
        if plain := self._refusals[key]:
            raise EngineError(
                f"the endpoint refuses request {job.request.id} ({refusal}), and a plain question "
                f"with the same settings too ({plain}). "
                + (self._client.form.advice(plain, sampling) or _PLAIN_ADVICE)
            )
        job.error = f"the endpoint refuses the prompt: {refusal}"

    async def _probe(self, model: str, sampling: Sampling, with_image: bool) -> str | None:
        """Returns why a plain question is refused, or None if it is answered."""
        content: Content = [{"type": "text", "text": _PROBE}]
        if with_image:
            buffer = io.BytesIO()
            Image.new("RGB", _PROBE_SIZE, "white").save(buffer, "PNG")
            content.insert(0, _image_part("image/png", buffer.getvalue()))
        try:
            await self._client.complete(model, content, sampling, 0)
        except RefusedError as error:
            return str(error)
        return None


class _Job:
    """A pending request: its samples by number, in order of arrival."""

    def __init__(self, request: Request, model: str, greedy: bool) -> None:
        self.request = request
        self.model = model
        self._copies = request.n if greedy else 1
        self.completions: list[Completion | None] = [None] * (1 if greedy else request.n)
        self.left = len(self.completions)
        """Number of pending samples."""
        self.error: str | None = None
        self._usage = Usage()
        self._content: asyncio.Task[Content] | None = None

    async def content(self, images: ImageLibrary) -> Content:
        """Returns the user turn; the first caller renders it."""
        if self._content is None:
            self._content = asyncio.create_task(asyncio.to_thread(_content, self.request, images))
        return await self._content

    def add(self, number: int, completion: Completion, limit: int) -> None:
        """Stores an answer, or an error if by the server's count the prompt was too long."""
        self.completions[number] = completion
        self._usage = self._usage.plus(Usage(completion.prompt_tokens, completion.tokens))
        if completion.prompt_tokens > limit:
            self.error = (
                f"the prompt has {completion.prompt_tokens} tokens, the limit is {limit} "
                "(engine.max_prompt_tokens); leave this item out or raise the limit"
            )
        if None not in self.completions:
            self._content = None  # the images' bytes are no longer needed

    def is_finished(self) -> bool:
        """Returns whether it has all samples or an error."""
        return self.left == 0

    def response(self) -> Response:
        """Returns the samples in order, or the error."""
        if self.error is not None:
            return Response(id=self.request.id, error=self.error, usage=self._usage)
        samples = tuple(
            Sample(text=one.text, finish_reason=one.finish_reason, tokens=one.tokens)
            for one in self.completions
            if one is not None
        )
        return Response(id=self.request.id, samples=samples * self._copies, usage=self._usage)


def _content(request: Request, images: ImageLibrary) -> Content:
    parts = [
        _image_part(*portable_image(images.read(name), images.open(name)))
        for name in request.images
    ]
    return request.turn(parts, {"type": "text", "text": _CONTROL.defused(request.text)})


def _image_part(media_type: str, data: bytes) -> dict[str, Any]:
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _served_name(base: str, model: ModelRef, served: Sequence[str]) -> str:
    """Returns the name by which the server knows the model.

    Raises:
        EngineError: It does not serve it; the message says how to.
    """
    names = ", ".join(served) or "nothing"
    if model.adapter is None:
        if base in served:
            return base
        raise EngineError(
            f"the endpoint serves {names}, not engine.endpoint.model {base}: set it to the name "
            f"under which {model.base} is served"
        )
    name = f"adapter-{model.adapter_sha256[:_NAME_DIGITS]}"
    if model.adapter_sha256 and name in served:
        return name
    raise EngineError(
        f"the endpoint serves {names}, but the judge is {model.base} with the adapter "
        f"{model.adapter}, which must be served as {name}. Copy that folder to where the server "
        f"reads it, start vLLM with --enable-lora --lora-modules {name}=FOLDER, or, where it runs "
        "with VLLM_ALLOW_RUNTIME_LORA_UPDATING=true, post "
        f'{{"lora_name": "{name}", "lora_path": "FOLDER"}} to its /v1/load_lora_adapter. Then run '
        "the same loop again: it resumes here"
    )
