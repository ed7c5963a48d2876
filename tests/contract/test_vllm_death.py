"""vLLM as on a GPU, with its model in a process of its own: that process is killed for real."""

from pathlib import Path

import pytest

from judgeloop.engines.base import EngineDiedError
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.sampling import Sampling
from tests.engine_process import EngineProcess
from tests.engine_rig import MAX_PIXELS, ask

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_killed_worker_is_restarted_once_and_the_answers_are_the_same(
    engine_store, pictures
) -> None:
    section = EngineSection(kind="vllm", dtype="float32", max_prompt_tokens=512)
    model = describe_base(BUILTIN, None)
    requests = [ask(i, pictures, "caption", n=2) for i in range(6)]
    sampling = Sampling(temperature=1.0, max_tokens=20)
    process = EngineProcess(
        Path(engine_store.uri), MAX_PIXELS, daemon=False, VLLM_ENABLE_V1_MULTIPROCESSING="1"
    )
    try:
        unbroken, restarted = process.call("killed_between", section, model, requests, sampling, 1)
        assert restarted == unbroken
        with pytest.raises(EngineDiedError, match="died again after a restart"):
            process.call("killed_between", section, model, requests, sampling, 2)
    finally:
        process.end()
