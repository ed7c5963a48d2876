"""The whole loop on the real tiny VLM: real inference, real TRL training, real MLflow versions."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeloop.schema.records import Example, Pair
from judgeloop.schema.results import Registered, Scores
from judgeloop.store import download_folder
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import finished, read_records
from tests.loop.micro import REPOSITORY, Run, run_micro
from tests.loop.soak import Mode, Moment, differences, registry, soak

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PRESET = "micro-tiny"
TIMEOUT_S = 400


def run_tiny(out: Path, *changes: str) -> Run:
    return run_micro(out, *changes, preset=PRESET, timeout_s=TIMEOUT_S)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One unbroken loop of two iterations; tests only look at it."""
    return run_tiny(tmp_path_factory.mktemp("tiny"))


def judgeloop(run: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line with the run's registry."""
    environment = {"MLFLOW_TRACKING_URI": f"sqlite:///{run.out}/mlflow/mlflow.db"}
    return subprocess.run(
        [sys.executable, "-m", "judgeloop.cli", *arguments], cwd=REPOSITORY, check=False,
        capture_output=True, text=True, timeout=120, env=os.environ | environment,
    )  # fmt: skip


def question_for(run: Run, folder: Path) -> list[str]:
    """Arguments of a verdict on a gold pair: a is the better answer."""
    gold = finished(run.store, "gold", run.manifest("000-evaluate").expect(Scores).pairs)
    assert gold is not None
    pair = next(read_records(run.store, gold, Pair))
    image = folder / "image.png"
    image.write_bytes(ImageLibrary(run.store, 10_000).read(pair.question.images[0]))
    return ["--image", str(image), "--question", pair.question.text, "--a", pair.chosen,
            "--b", pair.rejected]  # fmt: skip


def test_the_loop_trains_registers_and_decides_for_real(tiny: Run) -> None:
    assert tiny.exit_code == 0, tiny.printed
    assert [row["iteration"] for row in tiny.summary["iterations"]] == [0, 1, 2]
    base = tiny.summary["iterations"][0]
    assert base["first_position"] > 0.9
    assert base["both_orders"] < 0.15
    trained = [tiny.manifest(f"00{i}-train").model for i in (1, 2)]
    assert all(model is not None and model.adapter for model in trained)
    assert len({model.adapter_sha256 for model in trained if model}) == 2
    versions = [tiny.manifest(f"00{i}-register").expect(Registered).version for i in (1, 2)]
    assert versions == ["1", "2"]


def test_examples_are_the_judges_own_words_and_end_with_their_verdict(tiny: Run) -> None:
    examples = list(read_records(tiny.store, tiny.manifest("001-filter"), Example))
    assert examples
    letters = [example.completion.split()[-1] for example in examples]
    assert letters.count("A") == letters.count("B") == len(examples) / 2


@pytest.mark.parametrize("form", ["models:/judgeloop-micro@candidate", "folder", "adapter"])
def test_a_verdict_comes_from_a_version_a_folder_or_an_adapter(
    tiny: Run, tmp_path: Path, form: str
) -> None:
    model = form
    if form != "models:/judgeloop-micro@candidate":
        trained = tiny.manifest("002-train").model
        assert trained is not None
        assert trained.adapter is not None
        adapter = tmp_path / "adapter"
        download_folder(tiny.store, trained.adapter, adapter)
        model = str(adapter) if form == "adapter" else str(REPOSITORY / "judgeloop/tiny/base")
    prompts = ["--prompts", "tiny"] if form == "folder" else []
    done = judgeloop(
        tiny, "verdict", "--model", model, *question_for(tiny, tmp_path), *prompts, "--json"
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert [one["shown_first"] for one in result["judgements"]] == ["a", "b"]
    assert all(one["text"].startswith("I see") for one in result["judgements"])
    if form == "folder":  # the base says A whatever is shown: no side wins
        assert (result["winner"], result["reason"]) == (None, "orders_disagree")


def test_a_verdict_for_people_has_both_reasonings_and_one_conclusion(
    tiny: Run, tmp_path: Path
) -> None:
    model = "models:/judgeloop-micro/2"
    done = judgeloop(tiny, "verdict", "--model", model, *question_for(tiny, tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("I see") == 2
    assert done.stdout.splitlines()[-1].startswith("verdict: ")


def test_a_verdict_beside_the_base_shows_what_training_changed(tiny: Run, tmp_path: Path) -> None:
    asked = ["verdict", *question_for(tiny, tmp_path), "--json", "--model"]
    version = "models:/judgeloop-micro@candidate"
    beside = judgeloop(tiny, *asked, version, "--beside-base")
    assert beside.returncode == 0, beside.stderr
    result = json.loads(beside.stdout)
    base = result.pop("base")
    alone = json.loads(judgeloop(tiny, *asked, "builtin:tiny-vlm").stdout)
    assert alone.pop("judge")["base"] == "builtin:tiny-vlm"
    assert base == alone
    assert base["judgements"] != result["judgements"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "models:/nobody@champion"], 8, "nobody"),
        (["--model", "./no-such-folder"], 2, "no-such-folder"),
        (["--model", "builtin:tiny-vlm", "--image", "none.png"], 3, "none.png"),
        (["--model", "builtin:tiny-vlm", "--beside-base"], 2, "builtin:tiny-vlm is a base without"),
    ],
)
def test_a_verdict_that_cannot_be_given_says_why(
    tiny: Run, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    done = judgeloop(tiny, "verdict", *question_for(tiny, tmp_path), *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_twice_in_inference_and_twice_in_training_another_folder_gets_the_same_bytes(
    tiny: Run, tmp_path: Path
) -> None:
    moments = [
        Moment(lambda attempt: attempt.begun("synthesize/") >= 2),
        Moment(lambda attempt: attempt.begun("judge/") >= 2),
        Moment(lambda attempt: attempt.has_trained(iteration=1)),
        Moment(lambda attempt: attempt.has_trained(iteration=2)),
    ]
    modes = [Mode.ALL, Mode.PARENT, Mode.PARENT, Mode.PIPELINE]
    soaked = soak(tmp_path / "killed", moments, modes, preset=PRESET, changes=())
    assert soaked.kills == modes
    assert [key for key in tiny.content() if key.endswith("adapter_model.safetensors")]
    assert differences(soaked, tiny, registry(tiny.out)) == []


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_demo_learns(tmp_path: Path) -> None:
    run = run_micro(tmp_path, preset="tiny", timeout_s=1400)
    assert run.exit_code == 0, run.printed
    figures = [row["both_orders"] for row in run.summary["iterations"]]
    assert figures[0] < 0.15
    assert max(figures) >= 0.70
    assert run.summary["champion_version"] is not None
    assert run.summary["iterations"][0]["n"] >= 1000
