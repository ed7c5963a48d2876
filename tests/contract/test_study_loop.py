"""An arm of the study runs from the questions to the gate, on the stages of the product."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.study import loop as study
from benchmarks.study.arms import ARMS
from judgeloop.schema.config import load_config
from tests.conftest import REPOSITORY

# MLflow's SQL tables use a strategy that SQLAlchemy 2.1 wants to drop.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
]
ARM = {arm.name: arm for arm in ARMS}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all arms, as in the study."""
    return tmp_path_factory.mktemp("study")


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Runs an arm on scripted models, whose judgements cost nothing."""
    monkeypatch.setattr(study, "UNPLANTED", 20)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/{name}.db")
    config = load_config(
        REPOSITORY / "pipelines/configs/micro.yaml",
        [
            f"store={folder}/store", "loop.iterations=2", "loop.patience=2", "data.count=400",
            "evaluation.count=40", "filtering.min_examples=2", "registry.model_name=study",
            "registry.experiment=study",
        ],
    )  # fmt: skip
    found = study.ArmLoop(ARM[name], config, f"{name}-0", folder).run()
    assert json.loads(json.dumps(found)) == found
    return found


def test_the_method_is_measured_in_every_iteration_and_goes_through_no_gate(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run("method", store, monkeypatch)
    assert [row["n"] for row in found["iterations"]] == [40, 40, 40]
    assert [training["right"] for training in found["trainings"]] == [1, 1]
    assert set(found["unplanted"][-1]) >= {"swapped colours", "middle of three"}
    assert "gate" not in found
    assert run("method", store, monkeypatch) == found


def test_noise_is_in_the_pairs_that_are_judged_and_in_nothing_that_measures(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, noisy = (run(name, store, monkeypatch) for name in ("method", "noise_30"))
    assert noisy["iterations"][0]["both_orders"] == method["iterations"][0]["both_orders"]
    assert noisy["trainings"][0]["pairs"] == method["trainings"][0]["pairs"]
    assert 0 < noisy["trainings"][0]["right"] < 1
    assert "n" not in noisy["iterations"][1]  # gold is judged before and after alone


def test_an_arm_with_gold_answers_is_refused_by_the_gate(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run("correct", store, monkeypatch)
    assert found["gate"]["decision"] == "refuse"
    assert "gold labels" in found["gate"]["reason"]
    assert (
        found["trainings"][0]["pairs"] < run("method", store, monkeypatch)["trainings"][0]["pairs"]
    )
