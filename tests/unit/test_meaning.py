"""The optional second request that asks whether a copy contradicts its original."""

import msgspec
import pytest

from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Dropped, Kind, Pair, Question
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling

QUESTION = Question(id="q", images=("0",), text="Describe the image.", kind=Kind.CAPTION)
SETTINGS = SynthesisSection(
    answer=Sampling(), alter=Sampling(), vote=Sampling(), errors=("colour",), check_meaning=True
)


def pair_after(said: str, settings: SynthesisSection = SETTINGS, error: str | None = None,
               finish_reason: str = "stop") -> tuple[Pair | Dropped, list[Request]]:  # fmt: skip
    """Makes a pair whose base says `said` where it is asked for the meaning."""
    texts = {"answer": "A dog on a red sofa.", "alter": "A dog on a blue sofa.", "compare": said}
    steps, asked, responses = make_pair(load_prompts("default"), QUESTION, settings, 0), [], None
    while True:
        try:
            (request,) = next(steps) if responses is None else steps.send(responses)
        except StopIteration as stop:
            return stop.value, asked
        asked.append(request)
        failed = error if request.purpose == "compare" else None
        reason = finish_reason if request.purpose == "compare" else "stop"
        sample = Sample(text=texts[request.purpose], finish_reason=reason, tokens=3)
        responses = [Response(id="q", samples=() if failed else (sample,), error=failed)]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Answer: yes", None),
        ("One sofa is red, the other blue.\n**Answer: yes**", None),
        ("<think>no?</think>Yes.", None),
        ("Answer: no", "same_meaning"),
        ("No, they say the same.", "same_meaning"),
        ("Answer: maybe", "unclear_meaning"),
        ("I'm not sure.", "unclear_meaning"),
        ("", "unclear_meaning"),
        ("<think>yes", "unclear_meaning"),
    ],
)
def test_a_copy_is_used_only_where_the_base_says_that_it_contradicts(
    said: str, reason: str | None
) -> None:
    found, asked = pair_after(said)
    assert [request.purpose for request in asked] == ["answer", "alter", "compare"]
    assert asked[-1].sampling.temperature == 0
    assert asked[-1].images == QUESTION.images
    assert (found.reason if isinstance(found, Dropped) else None) == reason


def test_a_failed_or_cut_off_comparison_drops_the_copy() -> None:
    assert pair_after("", error="no image")[0] == Dropped(
        id="q", reason="engine_error", detail="no image", tried="caption: colour"
    )
    assert pair_after("Answer: yes", finish_reason="length")[0].reason == "unclear_meaning"


def test_nothing_is_asked_unless_it_is_set() -> None:
    settings = msgspec.structs.replace(SETTINGS, check_meaning=False)
    found, asked = pair_after("Answer: no", settings)
    assert isinstance(found, Pair)
    assert [request.purpose for request in asked] == ["answer", "alter"]
