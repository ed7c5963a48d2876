"""Which kinds of error an answer offers, which copies have them, and what is shown of the pairs."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from statistics import median

import msgspec
import pytest

from judgeloop.method.prompts import prompt_hash
from judgeloop.method.synthesis.alter import pair_by_alteration
from judgeloop.method.synthesis.errors import ERROR_KINDS, draw_error
from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.prompt_sets import load_prompts
from judgeloop.report.contact_sheet import PAIRS, contact_sheet, draw_pairs, marked
from judgeloop.report.yields import Yield, read_yields
from judgeloop.schema.config import load_config
from judgeloop.schema.counts import read_counts
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Altered, Dropped, Kind, Pair, Question
from judgeloop.schema.requests import Response, Sample
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from tests.conftest import REPOSITORY

QUESTION = Question(id="q", images=(), text="Describe the image.", kind=Kind.CAPTION)
SETTINGS = SynthesisSection(
    answer=Sampling(), alter=Sampling(), vote=Sampling(), errors=tuple(ERROR_KINDS)
)
PLAIN = "A dog."
OFFERED = [
    ("attribute", "A red ball.", PLAIN),
    ("count", "Three dogs.", PLAIN),
    ("count", "There are 3 dogs.", PLAIN),
    ("spatial relation", "A dog beside a tree.", PLAIN),
    ("text in the image", 'A sign that reads "STOP".', PLAIN),
    ("text in the image", "A blue SIGN.", PLAIN),
    ("text in the image", "A shirt with “GO” on it.", "It is 5” wide."),
    ("action", "A dog is running.", "A building in the evening."),
    ("action", "A dog is eating.", "A yellow banana on a swing."),
    ("action", "A dog sits.", PLAIN),
    ("reasoning step", "It is wet, because it rained.", PLAIN),
    ("reasoning step", "Since it rained, it is wet.", PLAIN),
    ("reasoning step", "2 + 3 = 5", "2 + 3"),
    ("swapped attributes", "A red ball and a blue box.", "A red ball and a red box."),
    ("omission", "A dog on the grass and a cat on the wall.", PLAIN),
    ("omission", "A dog and a cat", "A dog and cats"),
    ("omission", "A dog; a cat", "A dog a cat"),
    ("omission", "A man with two dogs", "A man"),
]
MADE = [
    ("count", "Three dogs on grass.", "Four dogs on grass.", "Three cats on grass."),
    ("count", "There are 3 dogs.", "There are 5 dogs.", "There are 3 cats."),
    (
        "swapped attributes",
        "A red ball and a blue box.",
        "A blue ball and a red box.",
        "A green ball and a red box.",
    ),
    (
        "invented object",
        "A dog lies on the grass.",
        "A dog and a cat lie on the grass.",
        "A cat lies on the grass.",
    ),
    (
        "omission",
        "A dog lies on the grass, with a ball beside it.",
        "A dog lies on the grass.",
        "A dog lies on the grass, with a bone beside it.",
    ),
]


def response(*texts: str) -> Response:
    samples = tuple(Sample(text=t, finish_reason="stop", tokens=9) for t in texts)
    return Response(id="q", samples=samples)


def question(number: int) -> Question:
    return Question(id=str(number), images=(), text="Describe it.", kind=Kind.CAPTION)


@pytest.mark.parametrize(("kind", "offering", "lacking"), OFFERED)
def test_a_kind_is_offered_by_answers_that_have_what_it_is_about(
    kind: str, offering: str, lacking: str
) -> None:
    assert ERROR_KINDS[kind].offered(offering)
    assert not ERROR_KINDS[kind].offered(lacking)


def test_only_offered_kinds_are_drawn_and_all_of_them() -> None:
    answer = 'A red sign that says "STOP".'
    drawn = {draw_error(ERROR_KINDS, question(n), answer, SETTINGS.errors, 3) for n in range(300)}
    assert drawn == {"object", "attribute", "text in the image", "invented object"}


def test_the_draw_is_the_seed_s() -> None:
    draws = [
        [draw_error(ERROR_KINDS, question(n), PLAIN, SETTINGS.errors, seed) for n in range(50)]
        for seed in (1, 1, 2)
    ]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(("kind", "original", "copy", "other"), MADE)
def test_a_copy_with_another_kind_of_error_is_not_used(
    kind: str, original: str, copy: str, other: str
) -> None:
    def made(text: str) -> Pair | Dropped:
        return pair_by_alteration(QUESTION, original, kind, response(text), SETTINGS, ERROR_KINDS)

    assert isinstance(made(copy), Pair)
    refused = made(other)
    assert isinstance(refused, Dropped)
    assert refused.reason == "other_kind_of_error"


def test_a_question_whose_answer_offers_no_kind_is_left_out_with_what_was_tried() -> None:
    settings = SynthesisSection(
        answer=Sampling(), alter=Sampling(), vote=Sampling(), errors=("count",)
    )
    steps = make_pair(load_prompts("default"), QUESTION, settings, 0)
    next(steps)
    with pytest.raises(StopIteration) as end:
        steps.send([response(PLAIN)])
    assert end.value.value.reason == "no_kind_of_error"
    assert end.value.value.tried == "caption: answer"


def test_every_kind_is_asked_for_in_words_that_the_prompts_hash_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prompts = load_prompts("default")
    before = prompt_hash(prompts)
    for name, kind in ERROR_KINDS.items():
        assert kind.wording in prompts.alter(QUESTION, PLAIN, name, 0.0)
    reworded = ERROR_KINDS["count"]._replace(wording="how many")
    monkeypatch.setattr(type(prompts), "error_kinds", {**ERROR_KINDS, "count": reworded})
    assert prompt_hash(prompts) != before


def test_of_several_copies_the_one_nearest_in_length_is_used_so_that_length_says_nothing() -> None:
    answer = "A large dog lies on the green grass near the old house by the river today."
    longer = answer.replace("dog", "brown dog with spots")
    shorter = answer.replace("large dog", "cat")
    equal = answer.replace("dog", "cat")
    ratios = []
    for copies in ((longer, shorter, equal), (equal, longer), (shorter, equal, longer)):
        pair = pair_by_alteration(QUESTION, answer, "object", response(*copies), SETTINGS, {})
        assert isinstance(pair, Pair)
        assert pair.rejected == equal
        ratios.append(math.log(len(pair.rejected) / len(pair.chosen)))
    assert median(ratios) == 0


def test_length_is_compared_by_its_ratio_so_that_half_and_twice_are_as_far() -> None:
    answer = "A dog lies on the wet grass."
    shorter, longer = "A dog lies on grass.", "A dog lies on the very wet, new grass."
    assert len(answer) - len(shorter) < len(longer) - len(answer)
    assert len(answer) / len(shorter) > len(longer) / len(answer)
    for copies in ((shorter, longer), (longer, shorter)):
        pair = pair_by_alteration(QUESTION, answer, "object", response(*copies), SETTINGS, {})
        assert isinstance(pair, Pair)
        assert pair.rejected == longer


def test_presets_of_real_models_sample_several_copies_with_errors_of_all_kinds() -> None:
    assert SETTINGS.alter_tries == 4
    for name in ("paper", "qwen2.5-vl-7b", "qwen3-vl-8b"):
        config = load_config(REPOSITORY / f"pipelines/configs/{name}.yaml")
        assert config.synthesis.alter_tries > 1
        assert set(config.synthesis.errors) == set(ERROR_KINDS)
    assert len(ERROR_KINDS) == 10


def test_yields_add_up_by_what_was_tried() -> None:
    counts = {
        "inputs": 9,
        "yield/caption: count/pair": 3,
        "yield/caption: count/unchanged": 2,
        "yield/caption: count/length": 3,
        "yield/number: vote/tie": 1,
    }
    outcomes = read_counts(counts).outcomes
    assert read_yields(outcomes) == [
        Yield(tried="caption: count", questions=8, pairs=3, reasons={"length": 3, "unchanged": 2}),
        Yield(tried="number: vote", questions=1, pairs=0, reasons={"tie": 1}),
    ]
    assert sum(row.questions for row in read_yields(outcomes)) == counts["inputs"]


def altered(number: int, chosen: str, rejected: str) -> Pair:
    origin = Altered(error="count", place="")
    return Pair(id=f"p{number}", question=QUESTION, chosen=chosen, rejected=rejected, origin=origin)


def test_a_contact_sheet_marks_the_edit_and_escapes_every_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> three dogs"
    pair = altered(1, evil, evil.replace("three", "four"))
    page = contact_sheet([pair], ImageLibrary(FolderStore(tmp_path), 100), "<b>")
    assert "<script>" not in page
    assert "<b>chosen</b>" in page
    assert "<h1><b>" not in page
    assert "<del>three</del>" in page
    assert "<ins>four</ins>" in page


def test_what_both_texts_have_is_not_marked() -> None:
    left, right = marked("a red ball", "a blue ball")
    assert "".join(text for text, _ in left) == "a red ball"
    assert [text for text, only in left if only] == ["red"]
    assert [text for text, only in right if only] == ["blue"]


def test_a_sheet_shows_twenty_pairs_drawn_by_seed_from_everywhere() -> None:
    pairs = [altered(number, "a", "b") for number in range(400)]
    shown = [[pair.id for pair in draw_pairs(pairs, seed)] for seed in (1, 1, 2)]
    assert len(shown[0]) == PAIRS == 20
    assert shown[0] == shown[1] != shown[2]
    halves = Counter(int(name[1:]) // 200 for name in shown[0])
    assert len(halves) == 2


LONG = (
    "A dog lies on the wet grass in front of a small house. A ball is beside it. "
    "Behind the house there are three tall trees."
)
SHORT = LONG.replace(" A ball is beside it.", "")


def planted(error: str, original: str, copy: str, **settings: float) -> Pair | Dropped:
    rules = msgspec.structs.replace(SETTINGS, min_length_ratio=0.8, **settings)
    return pair_by_alteration(QUESTION, original, error, response(copy), rules, ERROR_KINDS)


def test_an_omission_has_a_bound_of_length_of_its_own_and_may_not_be_longer() -> None:
    last = LONG.partition(" Behind")[0]  # a sentence of a third of the text is left out
    for copy in (SHORT, last):
        assert isinstance(planted("omission", LONG, copy), Pair)
    assert isinstance(planted("object", LONG, last), Dropped)
    cut = planted("omission", LONG, "A dog lies on the wet grass.")
    assert isinstance(cut, Dropped)
    assert cut.reason == "length"
    assert isinstance(planted("omission", LONG, last, min_omission_ratio=0.9), Dropped)
    longer = planted("omission", SHORT, LONG)
    assert isinstance(longer, Dropped)
    assert longer.reason == "length"


def test_an_omission_may_leave_out_the_share_of_words_that_its_bound_of_length_allows() -> None:
    kept = "Photographs, newspapers, magazines, dictionaries"
    for words, reason in ((15, None), (18, "large_edit")):
        original = f"{kept} {'to be or ' * (words // 3)}{'encyclopedias ' * (26 - words)}end."
        copy = original.replace("to be or ", "")
        made = planted("omission", original, copy, min_omission_ratio=0.5)
        assert (made.reason if isinstance(made, Dropped) else None) == reason
