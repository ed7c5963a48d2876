"""A stage that ends for lack of rows quotes the first detail of the most frequent reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from judgeloop.runtime.stages import inference
from judgeloop.runtime.stages.decide import enough
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.runtime.stages.judge import judge
from judgeloop.runtime.stages.synthesize import hold_out, synthesize
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import DataError
from judgeloop.schema.records import Example, Judgement, Manifest, ModelRef, Pair, Question
from judgeloop.schema.requests import Request, Response, Sample, Usage
from judgeloop.schema.results import Funnel, Supply
from judgeloop.store import FolderStore
from judgeloop.store.shards import read_records
from tests.bad_input.case import png
from tests.conftest import REPOSITORY

MICRO = REPOSITORY / "pipelines/configs/micro.yaml"
BASE = ModelRef(base="scripted:")
Answer = Callable[[Request], Sequence[str] | str]
"""Texts of the samples, or the engine's error, which begins with `!`."""


class Canned:
    """An engine with prepared answers; it keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Request] = []
        self.ready: list[tuple[int, Response]] = []

    def has_room(self) -> bool:
        return len(self.ready) < 4

    def submit(self, number: int, request: Request) -> None:
        self.asked.append(request)
        made = self.answer(request)
        texts = [made] * request.n if isinstance(made, str) else made
        error = texts[0][1:] if texts[0].startswith("!") else None
        samples = () if error else tuple(
            Sample(text=text, finish_reason="stop", tokens=1) for text in texts
        )  # fmt: skip
        response = Response(id=request.id, samples=samples, error=error, usage=Usage(0, 1))
        self.ready.append((number, response))

    def poll(self) -> list[tuple[int, Response]]:
        found, self.ready = self.ready, []
        return found


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Canned:
    """What every stage asks in the test; it answers well."""
    made = Canned(well)

    @contextmanager
    def opened(*_: object) -> Iterator[Canned]:
        yield made

    monkeypatch.setattr(inference, "lazy_engine", opened)
    return made


def well(request: Request) -> Sequence[str] | str:
    """Two answers in a vote, the right one in a comparison."""
    if request.purpose == "judge":
        return f"I see red circle north {'A' if request.variables['answer_a'] == 'red' else 'B'}"
    return ["red"] * 10 + ["blue"] * (request.n - 10)


def asked(folder: Path, text: str, rows: int = 12, bad: int = 0) -> tuple[Config, FolderStore]:
    """A file of questions with an image each, some of them with a mark too many."""
    lines = []
    for number in range(rows):
        (folder / f"{number}.png").write_bytes(png(number))
        marked = f"<image><image>{text}" if number < bad else text
        lines.append({"id": f"q{number}", "images": [f"{number}.png"], "text": marked,
                      "kind": "short_phrase"})  # fmt: skip
    (folder / "q.jsonl").write_text("\n".join(map(json.dumps, lines)))
    changes = [f"data.questions={folder}/q.jsonl", "data.count=null"]
    return load_config(MICRO, changes), FolderStore(folder / "store")


def filtered(config: Config, store: FolderStore) -> Manifest:
    questions = ingest(config, store)
    pairs = synthesize(config, store, 1, 0, questions, BASE)
    judged = judge(config, store, 1, 0, pairs, BASE)
    return filter_judgements(config, store, [pairs], [judged])


def starved(config: Config, store: FolderStore) -> str:
    supply = enough(config, filtered(config, store)).expect(Supply)
    assert supply.action == "starved"
    return supply.reason


@pytest.mark.parametrize("text", ["<image>\nWhat colour is it?", "What colour is it?\n<image>"])
def test_a_row_in_llavas_form_goes_through_every_stage_without_its_mark(
    text: str, engine: Canned, tmp_path: Path
) -> None:
    config, store = asked(tmp_path, text)
    examples = filtered(config, store)
    assert enough(config, examples).expect(Supply).action == "train"
    assert examples.expect(Funnel).kept == examples.expect(Funnel).pairs > 0
    assert hold_out(config, store, ingest(config, store), BASE).rows > 0
    assert {request.purpose for request in engine.asked} == {"answer", "judge"}
    assert not [request for request in engine.asked if "<image>" in request.text]
    kinds = {"ingest": Question, "synthesize": Pair, "judge": Judgement, "filter": Example}
    for key in store.list(""):
        if key.endswith(".jsonl") and key.partition("/")[0] in kinds:
            assert b"<image>" not in store.read(key), key
    assert all(example.images for example in read_records(store, examples, Example))


def test_the_shared_rows_in_llavas_form_say_that_more_images_are_needed(
    engine: Canned, tmp_path: Path
) -> None:
    file = REPOSITORY.parent / "shared/cases/llava_style.jsonl"
    if not file.exists():
        pytest.skip("shared/cases is not there")
    config = load_config(MICRO, [f"data.questions={file}", "validation.share=0.001"])
    store = FolderStore(tmp_path)
    words = "of 8 questions none is held out.*questions on more images"
    with pytest.raises(DataError, match=words):
        hold_out(config, store, ingest(config, store), BASE)
    assert filtered(config, store).expect(Funnel).kept == 8


def test_a_judge_that_the_engine_refuses_is_quoted_by_enough(
    engine: Canned, tmp_path: Path
) -> None:
    engine.answer = lambda asked: "!no such field" if asked.purpose == "judge" else well(asked)
    said = starved(*asked(tmp_path, "What?"))
    assert "The first undecided: engine_error in pair " in said
    assert "'no such field'" in said


def test_the_most_frequent_reason_for_no_verdict_is_quoted_not_the_first(
    engine: Canned, tmp_path: Path
) -> None:
    answers = iter(["!the server is gone"])
    engine.answer = lambda asked: (
        next(answers, "I see two circles.") if asked.purpose == "judge" else well(asked)
    )
    said = starved(*asked(tmp_path, "What?"))
    assert "The first undecided: no_verdict in pair " in said
    assert "I see two circles." in said
    assert "server is gone" not in said


@pytest.mark.parametrize(
    ("verdict", "reason"), [("A", "one_order"), ("B", "one_order"), ("wrong", "disagreeing")]
)
def test_what_a_judge_says_that_goes_by_place_or_is_wrong_is_quoted(
    verdict: str, reason: str, engine: Canned, tmp_path: Path
) -> None:
    def answer(asked: Request) -> Sequence[str] | str:
        if asked.purpose != "judge":
            return well(asked)
        wrong = "B" if asked.variables["answer_a"] == "red" else "A"
        return f"I see red circle south {wrong if verdict == 'wrong' else verdict}"

    engine.answer = answer
    said = starved(*asked(tmp_path, "What?"))
    assert f"The first {reason}: pair " in said
    assert "I see red circle south" in said


@pytest.mark.parametrize(
    ("answer", "reason", "detail"),
    [
        ("!the context has 2048 tokens", "engine_error", "the context has 2048 tokens"),
        ("I'm not sure", "no_readable_answer", "row 'q"),
        ("red", "unanimous", "red: 16"),
        ("", "no_readable_answer", "row 'q"),
    ],
)
def test_questions_that_gave_no_pair_are_quoted_by_enough_and_by_hold_out(
    answer: str, reason: str, detail: str, engine: Canned, tmp_path: Path
) -> None:
    engine.answer = lambda _: answer
    config, store = asked(tmp_path, "What?")
    said = starved(config, store)
    assert "Of 0 pairs:\n" in said
    assert f"gave no pair: {said.partition('gave no pair: ')[2].split()[0]} {reason}. " in said
    assert f"The first {reason}: {detail}" in said
    with pytest.raises(DataError, match=f"none of .* gave a pair .* {reason}.*The first {reason}"):
        hold_out(config, store, ingest(config, store), BASE)


def test_a_file_whose_rows_are_mostly_unusable_is_quoted_by_hold_out(
    engine: Canned, tmp_path: Path
) -> None:
    config, store = asked(tmp_path, "What?", rows=9, bad=8)
    questions = ingest(config, store)
    assert questions.rows == 1
    seeds = (load_config(MICRO, [f"data.questions={tmp_path}/q.jsonl", f"loop.seed={seed}"])
             for seed in range(20))  # fmt: skip
    found = next(seed for seed in seeds if not ingest(seed, store).counts.get("rows/held_out"))
    words = r"of 1 questions none is held out.*8 bad_text\. The first.*:1: the text refers to"
    with pytest.raises(DataError, match=words):
        hold_out(found, store, ingest(found, store), BASE)
