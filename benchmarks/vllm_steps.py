"""Controls and measures vLLM's steps: lengths of answers, time of the model, a stand-in for it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vllm import LLM

MEDIAN, SIGMA = 96, 0.6
LIMIT = 256
"""Tokens of an answer: log-normal, cut at the limit."""
STAND_IN_S = 0.02


class Measured(NamedTuple):
    """The figures of a block of work."""

    steps: int
    wall_s: float
    cpu_s: float
    """CPU seconds of all threads."""
    model_s: float
    """CPU time of the model's steps alone."""


@cache
def answer_tokens(seed: int) -> int:
    """Returns the number of tokens of the answer with a seed, truncated at the limit."""
    return max(1, round(random.Random(seed).lognormvariate(math.log(MEDIAN), SIGMA)))


class Steps:
    """Wraps the model of vLLM in this process.

    Args:
        llm: A running vLLM.
        filler: The token that an answer consists of.
        end: The token that ends one.
    """

    def __init__(self, llm: LLM, filler: int, end: int) -> None:
        core: Any = llm.llm_engine.engine_core
        self._scheduler = core.engine_core.scheduler
        self._executor = core.engine_core.model_executor
        self._execute, self._sample = self._executor.execute_model, self._executor.sample_tokens
        self._tokens = filler, end
        self._pending: Any = None
        self._count = 0
        self._model_s = 0.0
        self.stand_in = False
        """Sleep for a step's time instead of running the model."""
        self._executor.execute_model = self._execute_model
        self._executor.sample_tokens = self._sample_tokens

    @contextmanager
    def measured(self) -> Iterator[list[Measured]]:
        """Measures a block of work; the list has the result at its end."""
        found: list[Measured] = []
        steps, model_s = self._count, self._model_s
        wall, cpu = time.perf_counter(), time.process_time()
        yield found
        found.append(
            Measured(
                steps=self._count - steps,
                wall_s=time.perf_counter() - wall,
                cpu_s=time.process_time() - cpu,
                model_s=self._model_s - model_s,
            )
        )

    def _execute_model(self, scheduled: Any, non_block: bool = False) -> Any:
        self._count += scheduled.total_num_scheduled_tokens > 0
        if self.stand_in:
            return self._pretend(scheduled)
        started = time.thread_time()
        future = self._execute(scheduled, non_block=non_block)
        self._model_s += time.thread_time() - started
        return future

    def _pretend(self, scheduled: Any) -> Any:
        from vllm.v1.outputs import EMPTY_MODEL_RUNNER_OUTPUT

        self._pending = scheduled
        future: Future[Any] = Future()
        idle = scheduled.total_num_scheduled_tokens == 0
        future.set_result(EMPTY_MODEL_RUNNER_OUTPUT if idle else None)
        return future

    def _sample_tokens(self, grammar: Any) -> Any:
        if self.stand_in:
            from vllm.v1.outputs import ModelRunnerOutput

            time.sleep(STAND_IN_S)
            names = list(self._pending.num_scheduled_tokens)
            places = {name: place for place, name in enumerate(names)}
            made = ModelRunnerOutput(names, places, [[0]] * len(names))
        else:
            started = time.thread_time()
            made = self._sample(grammar)
            self._model_s += time.thread_time() - started
        filler, end = self._tokens
        for place, name in enumerate(made.req_ids):
            request = self._scheduler.requests[name]
            is_last = request.num_output_tokens + 1 >= answer_tokens(request.sampling_params.seed)
            made.sampled_token_ids[place] = [end if is_last else filler]
        return made
