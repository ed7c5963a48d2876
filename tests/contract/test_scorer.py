"""A judge as a scorer of MLflow's evaluation, with MLflow as it is installed."""

import importlib
from pathlib import Path

import pytest
from PIL import Image

from judgeloop import Judge
from judgeloop.engines.scripted_model import Sight
from judgeloop.scorer import judge_scorer
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary

QUESTION = "What colour is it?"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "red.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.mark.filterwarnings("ignore")  # of MLflow's own dependencies
def test_outputs_of_an_application_are_compared_with_reference_answers(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow = importlib.import_module("mlflow")
    name = ImageLibrary(FolderStore(tmp_path / "probe"), 100).add(picture.read_bytes())
    right = Sight((name,), QUESTION).best(["red", "blue"])
    wrong = "blue" if right == "red" else "red"
    inputs = {"question": QUESTION, "images": [str(picture)]}
    rows = [
        {"inputs": inputs, "outputs": output, "expectations": {"expected_response": other}}
        for output, other in ((right, wrong), (wrong, right))
    ]
    with Judge.load("scripted:skill=1,first_bias=0", prompts="tiny") as judge:
        scorer = judge_scorer(judge)
        found = mlflow.genai.evaluate(data=rows, scorers=[scorer]).result_df
        assert sorted(found["judgeloop/value"]) == ["better", "worse"]
        made = scorer(**rows[0])
        assert made.source.source_id == "scripted:skill=1,first_bias=0"
        assert made.rationale.startswith("the output first: ")
        with pytest.raises(Exception, match="expected_response"):
            scorer(inputs=inputs, outputs=right, expectations={})
