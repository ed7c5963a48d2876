"""`judgeloop check-data` says before a run what the run would meet."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from judgeloop.cli.main import main
from judgeloop.ops.check_data import check_data, refuse_starved
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.store import FolderStore

TEXTS = ("How many dogs are there?", "Describe the image.", "Is it night?")


def questions(folder: Path, count: int, *more: dict[str, Any]) -> Path:
    """A file of questions, each about a picture of its own, and further rows."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        size = (8 + number, 10)
        Image.new("RGB", size, (number % 256, number // 256, 7)).save(folder / f"{number}.png")
        text = TEXTS[number % len(TEXTS)]
        rows.append({"id": f"q{number}", "images": [f"{number}.png"], "text": text})
    path = folder / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *more]))
    return path


def test_what_is_said_of_questions_is_what_the_loop_makes_of_them(tmp_path: Path) -> None:
    bad = {"id": "bad", "images": ["none.png"], "text": "what?"}
    path = questions(tmp_path, 60, bad, {"id": "q0", "images": ["0.png"], "text": "again?"})
    config = load_config(Path("tiny"), [f"data.questions={path} data.count=null"])
    found = check_data(str(path), config)
    made = ingest(config, FolderStore(tmp_path / "store"))
    assert (found.rows, found.usable) == (62, 60)
    assert found.by_kind == {"long_answer": 20, "number": 20, "yes_no": 20} or found.by_kind == {
        "caption": 20, "number": 20, "yes_no": 20,
    }  # fmt: skip
    assert found.dropped == {"bad_image": 1, "duplicate_id": 1}
    assert any("none.png" in row and "questions.jsonl:61" in row for row in found.bad_rows)
    assert found.held_out == made.counts["rows/held_out"]
    assert found.trained == made.counts["rows"] - made.counts["rows/held_out"]
    pictures = found.pictures
    assert (pictures.count, pictures.smallest, pictures.largest) == (60, (8, 10), (67, 10))
    assert not found.tokens_estimated
    assert 3 <= found.tokens_mean <= found.tokens_most


def test_fields_that_the_program_does_not_know_are_named_with_their_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"id": "x", "images": ["0.png"], "text": "Is it day?", "choise": ["a"], "url": "u"}
    path = questions(tmp_path, 60, more, more | {"id": "y", "meta": {"split": 1}})
    main(["check-data", str(path), "--json"])
    said = capsys.readouterr()
    assert '"further_fields":{"choise":2,"url":2,"split":1}' in said.out + said.err
    main(["check-data", str(path)])
    said = capsys.readouterr()
    assert "kept but not used: 'choise' (2), 'url' (2), 'split' (1)" in said.out + said.err


def test_a_loop_that_could_not_work_is_told_why_with_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = questions(tmp_path, 9)
    assert main(["check-data", str(path), "--set", "validation.share=0.5"]) == 3
    said = capsys.readouterr().err
    assert "questions give at most" in said
    assert "examples, min_examples is 32" in said
    assert "validation pairs decide nothing" in said


def test_images_above_the_limit_are_counted(tmp_path: Path) -> None:
    path = questions(tmp_path, 4)
    config = load_config(Path("tiny"), ["data.max_pixels=95"])
    assert check_data(str(path), config).pictures.reduced == 2


def test_gold_pairs_are_told_by_their_form_and_enough_of_them_are_no_matter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions(tmp_path, 40)
    rows = [
        {"id": str(n), "images": [f"{n}.png"], "question": "what?", "kind": "short_phrase",
         "category": "object", "chosen": "a cup", "rejected": f"plate {n}"}
        for n in range(40)
    ]  # fmt: skip
    path = tmp_path / "gold.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert main(["check-data", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["what"], found["usable"], found["warnings"]) == ("gold pairs", 40, [])
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[:7]))
    assert main(["check-data", str(path)]) == 0
    assert "7 gold pairs decide nothing" in capsys.readouterr().out


def test_the_tiny_world_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give a JSONL file"):
        check_data("tiny-world", load_config(Path("tiny")))


def test_a_run_that_could_never_have_enough_examples_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = questions(tmp_path, 8)
    changes = ["--set", f"data.questions={path} data.count=null data.per_iteration=null"]
    out = tmp_path / "run"
    assert main(["run", "--config", "tiny", *changes, "--out", str(out)]) == 3
    said = capsys.readouterr().err
    assert "8 questions give at most 16 examples, min_examples is 32" in said
    assert not (out / "store").exists()


def test_a_run_is_started_by_the_same_checks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = questions(tmp_path, 40)
    changes = [f"data.questions={path}", "data.count=null", "data.per_iteration=null"]
    sets = [word for change in changes for word in ("--set", change)]
    out = tmp_path / "run"
    more = ["--set", "validation.share=0.00001", "--out", str(out)]
    assert main(["run", "--config", "tiny", *sets, *more]) == 3
    assert "no question is held out, so no version can be chosen" in capsys.readouterr().err
    assert not (out / "store").exists()
    warned = refuse_starved(load_config(Path("tiny"), changes))
    assert len(warned) == 1
    assert "validation pairs decide nothing" in warned[0]


def test_a_file_that_is_not_read_as_a_whole_is_counted_alone(tmp_path: Path) -> None:
    path = questions(tmp_path, 40)
    changes = [f"data.questions={path}", "data.count=30", "data.per_iteration=null"]
    assert refuse_starved(load_config(Path("tiny"), changes)) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("filtering.pairs_per_kind=5", "filtering.pairs_per_kind is 5: of 3 there are at most 30"),
        ("filtering.max_examples=20", "min_examples, which is 32, can never be reached"),
        ("filtering.traces_per_pair=1 filtering.min_examples=64", "60 questions give at most"),
        ("engine.max_prompt_tokens=2", "tokens alone, engine.max_prompt_tokens is 2"),
    ],
)
def test_a_filter_that_could_never_keep_enough_is_told(
    change: str, said: str, tmp_path: Path
) -> None:
    path = questions(tmp_path, 60)
    given = ["data.count=null", "data.per_iteration=null", *change.split()]
    found = check_data(str(path), load_config(Path("tiny"), given))
    told = " ".join([*found.problems, *found.warnings])
    assert said.replace("60 questions", f"{found.trained} questions") in told
