"""A question's kind follows from its wording; options in the text become choices."""

import json
from pathlib import Path

import pytest

from judgeloop.cli.main import main
from judgeloop.cli.route import route_file
from judgeloop.method.routing.form import route
from judgeloop.method.routing.options import options_in
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Kind
from tests.conftest import REPOSITORY

DATA = REPOSITORY.parent / "shared" / "data"
WORDED = {
    Kind.YES_NO: (
        "Is the man wearing a hat?\nAnswer the question using a single word or phrase.",
        "Can you see a dog in the image?",
        "Based on the photo, are there more chairs than tables?",
        "Does this figure show a bar chart? Answer yes or no.",
        "Isn't the door open?",
        'Is the statement "two dogs run" true? Respond with true or false.',
        "Do the two bars have the same height?\nOptions:\n(A) Yes\n(B) No",
        "Is there a bench, yes or no?",
    ),
    Kind.NUMBER: (
        "How many dogs are there?\nAnswer the question using a single word or phrase.",
        "How old is the tree in years?",
        "What is the total number of legs in the picture?",
        "By how much do the two values differ? Answer with a number.",
        "Hint: Please answer the question requiring an integer answer and provide the final "
        "value, e.g., 1, 2, 3, at the end.\nQuestion: What is the age gap?",
        "As shown in the figure, AB = 5 and BC = 3. Find the length of AC.",
        "What percentage of people prefer tea?",
        "What is the average of the three bars?",
    ),
    Kind.MULTIPLE_CHOICE: (
        "What is the capital?\nA. Paris\nB. Rome\nC. Oslo\n"
        "Answer with the option's letter from the given choices directly.",
        "Which animal is it? Options: (A) cat (B) dog (C) horse",
        "Which is right?\nA: 3\nB: 4\nC: 5",
        "Question: Is angle B larger?\nChoices:\n(A) Yes, it is\n(B) No, it is not",
        "Pick one.\nA) round\nB) square",
        "How many are there?\n[A] 2\n[B] 3",
    ),
    Kind.SHORT_PHRASE: (
        "What color is the car?\nAnswer the question using a single word or phrase.",
        "Who wrote this book?\nAnswer the question with a single word.",
        "Is the ball red or blue?",
        "What does the sign say?",
        "Where is the cat?",
        "Describe the colour of the car in one word.",
        "Reference OCR token: 16, STOP\nWhat is written on the sign?",
        "What is the name of this building? Reply concisely.",
    ),
    Kind.CAPTION: (
        "Provide a one-sentence caption for the provided image.",
        "Can you describe the image?",
        "What is happening in this picture?",
        "Describe this photograph as if to a blind person.",
        "What do you see?",
        "Give a short description of the scene.",
    ),
    Kind.LONG_ANSWER: (
        "Why might the person be holding an umbrella indoors?",
        "Can you explain the joke in this meme?",
        "What can be inferred from the chart about the trend in sales?",
        "How does the process shown in the diagram work?",
        "Summarise the table in two or three sentences.",
        "Write a story about the two friends.",
        "Could you tell me more about the history of this place?",
        "Tell me something interesting",
    ),
}


@pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in WORDED.items() for text in texts]
)
def test_the_wording_decides_the_kind(kind: Kind, text: str) -> None:
    assert route(text).kind is kind, route(text).rule


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Which?\n(A) a car\n(B) two cars, red\n(C) none", ("a car", "two cars, red", "none")),
        ("Which?\nA. x = 3.5\nB. x = 4\nAnswer with the letter.", ("x = 3.5", "x = 4")),
        ("Which? (A) cat, (B) dog; (C) horse", ("cat", "dog", "horse")),
        ("Which?\n(a) up\n(b) down", ("up", "down")),
        ("Point A. is above point C. Where is D?", ()),
        ("A: what is it?", ()),
        ("Which?\n(B) one\n(C) two", ()),
        ("Which?\n(A)\n(B) two", ()),
        ("Vitamin A. Then vitamin C.", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_options_are_read_only_where_the_letters_follow_each_other(
    text: str, options: tuple[str, ...]
) -> None:
    assert options_in(text) == options


def test_twenty_thousand_characters_of_letters_are_read_in_bounded_time() -> None:
    assert options_in("(A) (B) " * 2_500) == ()
    assert route("is a or b " * 2_000).kind


def test_a_stated_kind_is_scored_and_never_used(tmp_path: Path) -> None:
    rows = [
        {"question": "How many?", "question_type": "caption"},
        {"question": "How many?", "question_type": "number", "reference_answer": "3"},
        {"text": "Is it red?"},
        {"id": "no question"},
    ]
    (tmp_path / "qa.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\nnot JSON\n")
    found = route_file(tmp_path / "qa.jsonl")
    assert (found.n, found.accuracy) == (3, 0.5)
    assert found.confusion == {
        "caption": {"number": 1}, "number": {"number": 1}, "yes_no": {"yes_no": 1},
    }  # fmt: skip
    assert found.unsure == 0
    assert [row.split(": ")[0] for row in found.bad_rows] == ["qa.jsonl:4", "qa.jsonl:5"]


def test_a_wording_that_does_not_show_the_form_of_the_answer_is_an_unsure_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not route("What is the man doing?").sure
    assert not route("Tell me something interesting").sure
    assert route("What colour is it? Answer with a single word.").sure
    assert route("Which? (A) one (B) two").sure
    file = tmp_path / "qa.jsonl"
    file.write_text('{"text": "What is he doing?"}\n{"text": "How many?"}\n')
    assert main(["route", "--data", str(file)]) == 0
    assert "1 of them unsure" in capsys.readouterr().out


def test_a_file_without_any_question_is_an_error_that_names_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "qa.jsonl").write_text('{"id": "1"}\n')
    with pytest.raises(DataError, match=r"qa\.jsonl:1: it has neither"):
        route_file(tmp_path / "qa.jsonl")


SETS = ("nlvr_mini", "photo_objects", "photos", "charts")


@pytest.fixture
def real_sets() -> None:
    if not DATA.is_dir():
        pytest.skip("the real image sets are not beside the repository (../shared/data)")


@pytest.mark.usefixtures("real_sets")
@pytest.mark.parametrize("name", SETS)
def test_real_questions_are_routed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "--data", str(DATA / name), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] >= 0.95


@pytest.mark.usefixtures("real_sets")
def test_the_page_shows_how_real_questions_are_routed() -> None:
    found = [route_file(DATA / name / "qa.jsonl") for name in SETS]
    page = (REPOSITORY / "docs/data.md").read_text(encoding="utf-8")
    for stated in Kind:
        counts = [
            sum(one.confusion.get(stated, {}).get(kind, 0) for one in found)
            for kind in sorted(Kind)
        ]
        row = f"| {stated} | {' | '.join(map(str, counts))} |"
        assert row in page, row
    assert f"The wording of {sum(one.unsure for one in found)} of these rows" in page
