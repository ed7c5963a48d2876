"""The adapter's files: what is gone on with, what is refused, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from judgeloop.models.adapter_config import CONFIG, WEIGHTS
from judgeloop.schema.errors import EngineError, TrainingError
from judgeloop.training.adapter import fingerprints, load_model, save_adapter
from tests.loop.test_training import (
    MakeJob,
    _one_thread_without_hub,  # noqa: F401 - a fixture
    make_job,  # noqa: F401 - a fixture
    world,  # noqa: F401 - a fixture
)


@pytest.fixture
def adapter(make_job: MakeJob) -> Path:  # noqa: F811
    """A new adapter, saved."""
    import torch

    job = make_job("saved")
    save_adapter(job, load_model(job, torch.float32))
    return job.adapter_folder


def test_an_adapter_is_gone_on_with_as_it_is_and_can_move(
    make_job: MakeJob,  # noqa: F811
    adapter: Path,
) -> None:
    import torch
    from safetensors.torch import load_file

    job = make_job(adapter=str(adapter), seed=4)
    model = load_model(job, torch.float32)
    saved = load_file(adapter / WEIGHTS)
    movable = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert movable == {name.replace(".weight", ".default.weight") for name in saved}
    assert all(
        model.get_parameter(name).equal(saved[name.replace(".default", "")]) for name in movable
    )
    # Saving a checkpoint looks for the base at this address.
    assert model.peft_config["default"].base_model_name_or_path == job.base


@pytest.mark.parametrize(("rank", "alpha", "said"), [(8, 8, r"\(8, 8\)"), (4, 16, r"\(4, 16\)")])
def test_an_adapter_of_another_shape_is_not_gone_on_with(
    make_job: MakeJob,  # noqa: F811
    adapter: Path,
    rank: int,
    alpha: int,
    said: str,
) -> None:
    import torch

    job = make_job(adapter=str(adapter), settings={"rank": rank, "alpha": alpha})
    with pytest.raises(TrainingError, match=rf"rank and alpha \(4, 8\).*ask for {said}"):
        load_model(job, torch.float32)


def test_an_adapter_for_more_modules_than_it_has_weights_for_is_not_gone_on_with(
    make_job: MakeJob,  # noqa: F811
    adapter: Path,
) -> None:
    import torch

    config = json.loads((adapter / CONFIG).read_text())
    (adapter / CONFIG).write_text(json.dumps(config | {"target_modules": r".*_proj"}))
    with pytest.raises(EngineError, match=rf"adapter {adapter} .* modules of the base"):
        load_model(make_job(adapter=str(adapter)), torch.float32)


def test_an_adapter_is_bare_though_peft_writes_no_card(
    make_job: MakeJob,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import peft
    import torch

    monkeypatch.setattr(peft.PeftModel, "create_or_update_model_card", lambda *_: None)
    job = make_job()
    save_adapter(job, load_model(job, torch.float32))
    assert {file.name for file in job.adapter_folder.iterdir()} == {CONFIG, WEIGHTS}


@pytest.mark.parametrize(
    ("dtype", "values", "expected"),
    [
        ("float32", [1.0, -0.0], 0x3F800000 - 0x80000000),
        ("bfloat16", [1.0, 2.0], 0x3F80 + 0x4000),
        ("float64", [2.0], 0x4000000000000000),
        ("uint8", [200, 100], 300),
        ("float32", [2.0] * 4, 4 * 0x40000000),
    ],
)
def test_a_fingerprint_is_the_sum_of_the_bits_as_integers(
    dtype: str, values: list[float], expected: int
) -> None:
    import torch

    weight = torch.tensor(values, dtype=getattr(torch, dtype))
    network = torch.nn.Module()
    network.weight = torch.nn.Parameter(weight, requires_grad=False)
    assert fingerprints(network) == {"weight": expected}
