"""Bad answers of models: cut off, empty, endless."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.inference import run_steps
from judgeloop.schema.records import Altered, Dropped, Kind, Pair, Question
from judgeloop.schema.requests import Request, Response, Sample
from judgeloop.schema.sampling import Sampling
from tests.bad_input.case import TOO_LONG, Case, Outcome, changed, verdict_command

GROUP = "Answers of models"
SAMPLING = Sampling()
GOOD_ANSWER = "there is a red circle on the left"
GOOD_COPY = "there is a blue circle on the left"


@dataclass
class FakeEngine:
    """A fake engine: returns one given text for question q1 and a good one for the others."""

    text: str
    finish_reason: str = "stop"
    waiting: dict[int, Request] = field(default_factory=dict)

    def has_room(self) -> bool:
        """Accepts one request at a time."""
        return not self.waiting

    def submit(self, number: int, request: Request) -> None:
        """Takes a request."""
        self.waiting[number] = request

    def poll(self) -> list[tuple[int, Response]]:
        """Answers all pending requests."""
        waiting, self.waiting = self.waiting, {}
        return [
            (number, Response(id=request.id, samples=tuple(self._samples(request))))
            for number, request in waiting.items()
        ]

    def close(self) -> None:
        """Has nothing to free."""

    def _samples(self, request: Request) -> list[Sample]:
        if request.id.startswith("q1"):
            return [Sample(text=self.text, finish_reason=self.finish_reason, tokens=9)] * request.n
        if request.purpose == "judge":
            right = "chosen_first" in request.id
            return [
                Sample(
                    text=f"ok{request.verdict_endings[not right]}", finish_reason="stop", tokens=9
                )
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
        prompts, settings = load_prompts("default"), changed(folder).synthesis
        made = [run_steps(engine, make_pair(prompts, it, settings, 0)) for it in questions]
        dropped = [result for result in made if isinstance(result, Dropped)]
        counts = {f"dropped/{row.reason}": 1 for row in dropped}
        ids = tuple(result.question.id for result in made if isinstance(result, Pair))
        return Outcome(0, " ".join(row.detail for row in dropped), counts, ids)

    return run


def judged(engine: FakeEngine) -> Callable[[Path], Outcome]:
    """Judges three pairs."""

    def run(folder: Path) -> Outcome:
        origin = Altered(error="colour", place="red -> blue")
        pairs = [
            Pair(id=f"q{n}", question=asked(n, Kind.CAPTION), chosen=GOOD_ANSWER,
                 rejected=GOOD_COPY, origin=origin) for n in range(3)
        ]  # fmt: skip
        prompts = load_prompts("default")
        found = [
            j for it in pairs for j in run_steps(engine, judge_pair(prompts, it, SAMPLING, 1, 0))
        ]
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
    answer("an answer whose thinking never ends", Kind.CAPTION, FakeEngine("<think>a red circle"),
           "unfinished_thinking"),
    answer("a copy that says the same", Kind.CAPTION, FakeEngine("Sure! Here it is: a red circle"),
           "unchanged"),
    answer("votes that say they are not sure", Kind.NUMBER, FakeEngine("I'm not sure, maybe 3"),
           "no_readable_answer"),
    answer("votes for at least a number", Kind.NUMBER, FakeEngine("Answer: at least 3"),
           "no_readable_answer"),
    judgement("a judgement whose thinking never ends", FakeEngine("<think>so\nVerdict: Response 1"),
              "unfinished_thinking"),
    judgement("a judgement that ends by quoting a verdict",
              FakeEngine("Response 2 ends with:\nVerdict: Response 2"), "no_verdict"),
    judgement("a judgement for both answers",
              FakeEngine("Verdict: Response 1\nVerdict: Response 2"), "two_verdicts"),
    judgement("a judgement that names an option", FakeEngine("Verdict: B"), "no_verdict"),
    judgement("an empty judgement", FakeEngine(""), "empty"),
    judgement("a judgement without a verdict", FakeEngine("Both are good."), "no_verdict"),
    judgement("a judgement that was cut off", FakeEngine("Verdict: A", "length"), "truncated"),
    judgement("100,000 asterisks for a verdict", FakeEngine(STARS), "no_verdict"),
    Case(GROUP, "an answer of 100,000 characters to `judgeloop verdict`",
         verdict_command("--a", "word " * (TOO_LONG // 5)), "the limit is 4096", code=6),
]  # fmt: skip
