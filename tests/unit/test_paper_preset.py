"""The preset `paper` is the paper's table (docs/method.md), line by line where it says a value."""

from __future__ import annotations

import pytest

from judgeloop.schema.config import load_config
from judgeloop.schema.keys import field_at
from judgeloop.schema.sampling import Sampling
from tests.conftest import REPOSITORY

PRESET = REPOSITORY / "pipelines/configs/paper.yaml"
STATED = {
    "model.base": "meta-llama/Llama-3.2-11B-Vision-Instruct",
    "loop.iterations": 4,
    "data.count": 100_000,
    "synthesis.vote_samples": 16,
    "synthesis.vote_threshold": 5,
    "synthesis.vote_rejected": "sample",
    "filtering.keep": "agreeing",
    "filtering.both_orders": True,
    "training.start": "previous",
    "training.epochs": 5,
    "training.processes": 8,
}
"""What the paper or notes on it state."""
OURS = {
    "judging.samples": 1,
    "filtering.max_examples": None,
    "data.per_iteration": None,
    "synthesis.vote_margin": 1,
    "training.batch_size": 128,
    "training.warmup_ratio": 0.03,
    "training.schedule": "cosine",
    "training.weight_decay": 0.0,
}
"""Our defaults where it states nothing."""
SAMPLED = ("synthesis.answer", "synthesis.alter", "synthesis.vote", "judging.sampling")


@pytest.mark.parametrize(("path", "value"), (STATED | OURS).items())
def test_a_setting_is_the_table_s(path: str, value: object) -> None:
    assert field_at(load_config(PRESET), path) == value


@pytest.mark.parametrize("path", SAMPLED)
def test_texts_are_sampled_as_the_paper_samples(path: str) -> None:
    found = field_at(load_config(PRESET), path)
    assert isinstance(found, Sampling)
    assert (found.temperature, found.top_k, found.top_p) == (0.6, 50, 0.9)


def test_adapters_are_trained_at_ten_times_the_rate_that_the_paper_trains_all_weights_at() -> None:
    training = load_config(PRESET).training
    assert training.kind == "lora"
    assert training.learning_rate == pytest.approx(10 * 1e-5)


def test_every_line_of_the_preset_that_the_table_states_says_so() -> None:
    lines = PRESET.read_text().splitlines()
    for path in STATED:
        name = path.rpartition(".")[2]
        if path == "synthesis.vote_rejected":
            continue
        assert any(line.strip().startswith(f"{name}:") and "paper" in line for line in lines), path
