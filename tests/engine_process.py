"""vLLM in a process of its own: it changes its process (threads, signals, warnings) for good."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request, Response
from judgeloop.schema.sampling import Sampling
from tests.images_alive import images_alive

START_S = 400.0


class EngineProcess:
    """Runs one engine at a time; asked for another, it ends the one before.

    Args:
        store: Root folder of the store with images and adapters.
        max_pixels: Limit of the image library.
        daemon: It may have no processes below it, and ends with ours whatever happens.
        environment: Variables that the process gets besides ours.
    """

    def __init__(
        self, store: Path, max_pixels: int, daemon: bool = True, **environment: str
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        before = dict(os.environ)
        os.environ.update(environment)  # the child has them from its first import on
        self._process = context.Process(
            target=_serve, args=(other, store, max_pixels), daemon=daemon
        )
        self._process.start()
        os.environ.clear()
        os.environ.update(before)

    def call(self, name: str, *arguments: Any) -> Any:
        """Calls a function of the process; its errors are raised here."""
        self._pipe.send((name, arguments))
        if not self._pipe.poll(START_S):
            raise TimeoutError(f"{name} took more than {START_S} s")
        result = self._pipe.recv()
        if isinstance(result, Exception):
            raise result
        return result

    def end(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()


class RemoteEngine:
    """An engine of the process, as the engine protocol has it."""

    def __init__(self, process: EngineProcess, section: EngineSection, model: ModelRef) -> None:
        self._process = process
        self._opened = (section, model)
        process.call("open", *self._opened)

    def has_room(self) -> bool:
        room: bool = self._process.call("of_engine", *self._opened, "has_room")
        return room

    def submit(self, number: int, request: Request) -> None:
        self._process.call("of_engine", *self._opened, "submit", number, request)

    def poll(self) -> list[tuple[int, Response]]:
        answered: list[tuple[int, Response]] = self._process.call(
            "of_engine", *self._opened, "poll"
        )
        return answered

    def bare_chat(self, requests: Sequence[Request], sampling: Sampling) -> list[list[list[int]]]:
        """The token ids of each request's samples by vLLM's own `LLM.chat`."""
        ids: list[list[list[int]]] = self._process.call(
            "bare_chat", *self._opened, list(requests), sampling
        )
        return ids

    def tokens(self, requests: Sequence[Request], sampling: Sampling) -> list[list[list[int]]]:
        """The token ids of each request's samples by our engine."""
        ids: list[list[list[int]]] = self._process.call(
            "tokens", *self._opened, list(requests), sampling
        )
        return ids

    def images_alive(self, requests: Sequence[Request]) -> tuple[int, int]:
        """How many images it held; see `tests.images_alive`."""
        found: tuple[int, int] = self._process.call("images_alive", *self._opened, list(requests))
        return found

    def close(self) -> None:
        """Leaves the engine to the next one."""


class _Server:
    def __init__(self, store: Path, max_pixels: int) -> None:
        from judgeloop.store import FolderStore
        from judgeloop.store.images import ImageLibrary

        self._store = FolderStore(store)
        self._library = ImageLibrary(self._store, max_pixels)
        self._key: Any = None
        self._engine: Any = None

    def open(self, section: EngineSection, model: ModelRef) -> None:
        from judgeloop.runtime.engine_start import open_engine

        if self._key == (section, model):
            return
        if self._engine is not None:
            self._engine.close()
        self._key = self._engine = None
        self._engine = open_engine(section, model, self._library, self._store)
        self._key = (section, model)

    def of_engine(self, section: EngineSection, model: ModelRef, name: str, *arguments: Any) -> Any:
        self.open(section, model)
        return getattr(self._engine, name)(*arguments)

    def images_alive(
        self, section: EngineSection, model: ModelRef, requests: list[Request]
    ) -> tuple[int, int]:
        self.open(section, model)
        return images_alive(self._engine, requests)

    def tokens(self, section: EngineSection, model: ModelRef, *asked: Any) -> list[list[list[int]]]:
        self.open(section, model)
        seen: dict[str, list[list[int]]] = {}
        respond = self._engine._response

        def note(request: Request, output: Any) -> Response:
            seen[request.id] = [list(made.token_ids) for made in output.outputs]
            response: Response = respond(request, output)
            return response

        self._engine._response = note
        try:
            responses = _generate(self._engine, *asked)
        finally:
            del self._engine._response
        return [seen[response.id] for response in responses]

    def killed_between(
        self,
        section: EngineSection,
        model: ModelRef,
        requests: list[Request],
        sampling: Sampling,
        times: int,
    ) -> list[list[Response]]:
        """What a stage's engine answers to the same requests, vLLM's process killed in between.

        After the second kill vLLM has had time to notice before it is asked.
        """
        from judgeloop.engines.lazy import LazyEngine
        from judgeloop.runtime.engine_start import open_engine

        engine = LazyEngine(lambda: open_engine(section, model, self._library, self._store))
        try:
            answers = [_generate(engine, requests, sampling)]
            for turn in range(times):
                for child in multiprocessing.active_children():
                    os.kill(child.pid or 0, signal.SIGKILL)
                time.sleep(3 * turn)
                answers.append(_generate(engine, requests, sampling))
            return answers
        finally:
            engine.close()

    def bare_chat(
        self, section: EngineSection, model: ModelRef, requests: list[Request], sampling: Sampling
    ) -> list[list[list[int]]]:
        from vllm import SamplingParams

        self.open(section, model)
        conversations, parameters = [], []
        for request in requests:
            parts: list[dict[str, Any]] = [
                {"type": "image_pil", "image_pil": self._library.open(name)}
                for name in request.images
            ]
            content = [*parts, {"type": "text", "text": request.text}]
            conversations.append([{"role": "user", "content": content}])
            parameters.append(
                SamplingParams(
                    n=request.n,
                    seed=request.seed,
                    temperature=sampling.temperature,
                    top_p=sampling.top_p,
                    top_k=sampling.top_k,
                    max_tokens=sampling.max_tokens,
                )
            )
        outputs = self._engine._started.llm.chat(conversations, parameters, use_tqdm=False)
        return [[list(made.token_ids) for made in output.outputs] for output in outputs]


def _generate(engine: Any, requests: list[Request], sampling: Sampling) -> list[Response]:
    from judgeloop.engines import generate

    return generate(engine, [msgspec.structs.replace(it, sampling=sampling) for it in requests])


def _serve(pipe: Any, store: Path, max_pixels: int) -> None:
    server = _Server(store, max_pixels)
    while True:
        name, arguments = pipe.recv()
        try:
            pipe.send(getattr(server, name)(*arguments))
        except Exception as error:
            pipe.send(error)
