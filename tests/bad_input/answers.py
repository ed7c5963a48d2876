"""What models answer: cut off, empty, endless."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from judgeloop.method.judging.orders import judge_pairs
from judgeloop.method.prompts import load_prompts
from judgeloop.runtime.stages.synthesize import pairs_of
from judgeloop.schema.records import Altered, Kind, Pair, Question
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling
from tests.bad_input.case import TOO_LONG, Case, Outcome, changed, verdict_command

GROUP = "Answers of models"
SAMPLING = Sampling()
GOOD_ANSWER = "there is a red circle on the left"
GOOD_COPY = "there is a blue circle on the left"


@dataclass
class FakeEngine:
    """Stands at the seam of engines: gives one text for question q1, a good one for the others."""

    text: str
    finish_reason: str = "stop"

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> list[Response]:
        """Answers every request."""
        return [
            Response(id=request.id, samples=tuple(self._samples(request))) for request in requests
        ]

    def close(self) -> None:
        """Has nothing to free."""

    def _samples(self, request: Request) -> list[Sample]:
        if request.id.startswith("q1"):
            return [Sample(text=self.text, finish_reason=self.finish_reason, tokens=9)] * request.n
        if request.purpose == "judge":
            right = "chosen_first" in request.id
            return [
                Sample(text=f"Verdict: {'A' if right else 'B'}", finish_reason="stop", tokens=9)
            ]
        if "number" in request.variables.values():
            texts = ["3"] * (request.n - 1) + ["4"]
        else:
            texts = [GOOD_ANSWER if request.purpose == "answer" else GOOD_COPY]
        return [Sample(text=text, finish_reason="stop", tokens=9) for text in texts]


def asked(number: int, kind: Kind) -> Question:
    return Question(id=f"q{number}", images=("ab",), text="what is there?", kind=kind)


def made(kind: Kind, engine: FakeEngine) -> Callable[[Path], Outcome]:
    """Makes pairs of three questions."""

    def run(folder: Path) -> Outcome:
        questions = [asked(number, kind) for number in range(3)]
        work = pairs_of(engine, load_prompts("default"), questions, changed(folder), 0)
        counts = {f"dropped/{dropped.reason}": 1 for dropped in work.dropped}
        ids = tuple(pair.question.id for pair in work.records if isinstance(pair, Pair))
        return Outcome(0, " ".join(dropped.detail for dropped in work.dropped), counts, ids)

    return run


def judged(engine: FakeEngine) -> Callable[[Path], Outcome]:
    """Judges three pairs."""

    def run(folder: Path) -> Outcome:
        origin = Altered(error="colour", place="red -> blue")
        pairs = [
            Pair(id=f"q{n}", question=asked(n, Kind.CAPTION), chosen=GOOD_ANSWER,
                 rejected=GOOD_COPY, origin=origin) for n in range(3)
        ]  # fmt: skip
        found = judge_pairs(engine, load_prompts("default"), pairs, SAMPLING, 1, 0)
        reasons = {j.verdict.reason for j in found if j.verdict.reason is not None}
        ids = sorted({j.pair_id for j in found if j.agrees})
        return Outcome(0, "", {f"undecided/{reason}": 1 for reason in reasons}, tuple(ids))

    return run


def answer(what: str, kind: Kind, engine: FakeEngine, reason: str, words: str = "") -> Case:
    return Case(GROUP, what, made(kind, engine), words, reason=reason)


def judgement(what: str, engine: FakeEngine, reason: str) -> Case:
    return Case(GROUP, what, judged(engine), "", undecided=reason)


ENDLESS = "red circle " * (TOO_LONG // 11)
STARS = "Verdict: " + "*" * TOO_LONG

ANSWERS = [
    answer("an empty answer", Kind.CAPTION, FakeEngine("  "), "answer_empty"),
    answer("an answer that was cut off", Kind.CAPTION, FakeEngine("a red", "length"),
           "answer_truncated", "a red"),
    answer("an answer of 100,000 characters", Kind.CAPTION, FakeEngine(ENDLESS),
           "answer_too_long", "the limit is 20000"),
    answer("votes of 100,000 characters", Kind.NUMBER, FakeEngine(f"Answer: 1{' ' * TOO_LONG}x"),
           "no_readable_answer"),
    judgement("an empty judgement", FakeEngine(""), "empty"),
    judgement("a judgement without a verdict", FakeEngine("Both are good."), "no_verdict"),
    judgement("a judgement that was cut off", FakeEngine("Verdict: A", "length"), "truncated"),
    judgement("100,000 asterisks for a verdict", FakeEngine(STARS), "no_verdict"),
    Case(GROUP, "an answer of 100,000 characters to `judgeloop verdict`",
         verdict_command("--a", "word " * (TOO_LONG // 5)), "the limit is 4096", code=6),
]  # fmt: skip
