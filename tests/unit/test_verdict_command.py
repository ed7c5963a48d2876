"""`judgeloop verdict` on a scripted judge: what it prints for people and for machines."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from judgeloop.cli.main import main
from judgeloop.engines.scripted_model import ADAPTER_FILE, ScriptedAdapter, Sight
from judgeloop.judge import Judge
from judgeloop.registry.judge_file import ADAPTER_FOLDER, JudgeFile, write_judge_file
from judgeloop.schema.records import ModelRef
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary

BASE = "scripted:skill=0,first_bias=1"
"""It says A whatever it is shown."""
QUESTION = "colour of the square"

Ask = Callable[..., str]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """The folder of a registered judge that has learnt all there is to learn."""
    adapter = tmp_path / "version" / ADAPTER_FOLDER
    adapter.mkdir(parents=True)
    learnt = ScriptedAdapter(skill=1.0, examples=1, examples_sha256="")
    (adapter / ADAPTER_FILE).write_bytes(msgspec.json.encode(learnt))
    fields: dict[str, Any] = {
        "model": ModelRef(base=BASE), "adapter_files": {}, "loop_id": "l", "iteration": 1,
        "config": {"prompts": "tiny"}, "manifests": {}, "examples": (), "metrics": {},
        "counts": {}, "judgeloop_version": "0",
    }  # fmt: skip
    write_judge_file(adapter.parent, JudgeFile(**fields))
    return adapter.parent


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks about a picture whose true colour is answer b; returns what is printed."""
    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 8), "red").save(picture)
    name = ImageLibrary(FolderStore(tmp_path / "store"), 100).add(picture.read_bytes())
    right = Sight((name,), QUESTION).best(["red", "blue"])
    answers = ["--a", "blue" if right == "red" else "red", "--b", right]

    def printed(*arguments: str, code: int = 0) -> str:
        asked = ["--image", str(picture), "--question", QUESTION, *answers, *arguments]
        assert main(["verdict", *asked]) == code
        caught = capsys.readouterr()
        return caught.err if code else caught.out

    return printed


def test_a_verdict_beside_the_base_shows_what_training_changed(version: Path, ask: Ask) -> None:
    lines = ask("--model", str(version), "--beside-base").splitlines()
    assert [line for line in lines if line.startswith(("[", "->", "verdict"))] == [
        "[the base: a shown first, b shown second]",
        "-> a is better",
        "[the base: b shown first, a shown second]",
        "-> b is better",
        "[the judge: a shown first, b shown second]",
        "-> b is better",
        "[the judge: b shown first, a shown second]",
        "-> b is better",
        "verdict of the base: undecided (orders_disagree)",
        "verdict: b is better",
    ]


def test_for_machines_the_base_is_one_more_field(version: Path, ask: Ask) -> None:
    alone = json.loads(ask("--model", str(version), "--json"))
    assert sorted(alone) == ["confidence", "id", "judge", "judgements", "reason", "winner"]
    assert (alone["winner"], alone["confidence"]) == ("b", 1.0)
    assert alone["judge"]["name"] == str(version)
    beside = json.loads(ask("--model", str(version), "--json", "--beside-base"))
    base = json.loads(ask("--model", BASE, "--prompts", "tiny", "--json"))
    assert beside == {**alone, "base": {k: v for k, v in base.items() if k != "judge"}}
    assert (base["winner"], base["reason"], base["confidence"]) == (None, "orders_disagree", None)


def test_without_the_flag_nothing_speaks_of_a_base(version: Path, ask: Ask) -> None:
    printed = ask("--model", str(version))
    assert "base" not in printed
    assert printed.splitlines()[-1] == "verdict: b is better"


def test_a_base_has_no_base_beside_it_and_the_error_says_so(ask: Ask) -> None:
    said = ask("--model", BASE, "--beside-base", code=2)
    assert f"{BASE} is a base without an adapter" in said
    assert "name a judge that was trained" in said


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("/no/none.png", "cannot be read (No such file or directory)"),
        ("http://example.org/a.png", "a URL is not fetched"),
    ],
)
def test_an_image_that_cannot_be_read_is_told_before_the_judge_is_fetched(
    image: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Judge, "load", lambda *a, **k: pytest.fail("it was loaded"))
    asked = ["--model", BASE, "--image", image, "--question", QUESTION]
    assert main(["verdict", *asked, "--a", "1", "--b", "2"]) == 3
    assert f"image {image}: {said}" in capsys.readouterr().err
