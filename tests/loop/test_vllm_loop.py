"""The whole loop on vLLM, which serves the trained adapter straight from its folder."""

from pathlib import Path

import pytest

from tests.loop.micro import run_micro

TIMEOUT_S = 800


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S + 100)
def test_the_loop_trains_and_measures_an_adapter_on_vllm(tmp_path: Path) -> None:
    run = run_micro(
        tmp_path, "engine.kind=vllm", "loop.iterations=1", preset="micro-tiny", timeout_s=TIMEOUT_S
    )
    assert run.exit_code == 0, run.printed
    before, after = (run.manifest(name) for name in ("000-evaluate", "001-evaluate"))
    assert before.details["engine_version"].startswith("vllm 0.")
    assert after.model is not None
    assert after.model.adapter is not None
    assert before.rows == after.rows > 0
    assert before.result != after.result
    assert all(not name.endswith("engine_error") for name in {**before.counts, **after.counts})
