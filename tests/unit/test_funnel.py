"""What is counted of the pairs that filtering takes, and what is said where too few are kept."""

from __future__ import annotations

import msgspec
import pytest

from judgeloop.method.filtering.agreement import Outcome
from judgeloop.method.filtering.funnel import QUOTED, FunnelCounter, explain_starvation
from judgeloop.method.judging.verdict import undecided
from judgeloop.schema.records import Choice, Judgement, Kind, Pair, Repeated, Verdict, Voted
from judgeloop.schema.results import Funnel, KindFunnel
from tests.unit.test_filter import both, pair

RIGHT, FIRST, LAST = (Choice.A, Choice.B), (Choice.A, Choice.A), (Choice.B, Choice.B)
NEITHER = (Choice.UNDECIDED, Choice.UNDECIDED)


def saying(judgements: list[Judgement], text: str, **changes: object) -> list[Judgement]:
    """The first judgement says this, the others add their place."""
    return [
        msgspec.structs.replace(each, text=f"{text}{at or ''}", **changes)
        for at, each in enumerate(judgements)
    ]


def voted(number: int) -> Pair:
    of = pair(number)
    question = msgspec.structs.replace(of.question, kind=Kind.NUMBER)
    return msgspec.structs.replace(of, question=question, origin=Voted(counts={}))


def counted() -> Funnel:
    """Nine pairs, of each kind that there is some."""
    again = Repeated(text="B", verdict=Verdict(choice=Choice.B), finish_reason="stop", tokens=1)
    unread = {"verdict": undecided("empty")}
    counter = FunnelCounter()
    rows: list[tuple[Pair, list[Judgement], Outcome]] = [
        (pair(0), saying(both(pair(0), *RIGHT), "kept"), Outcome("kept", ())),
        (pair(1), saying(both(pair(1), *FIRST), "first of\n one_order"), Outcome("one_order")),
        (voted(2), saying(both(pair(2), *FIRST), "second"), Outcome("one_order")),
        (voted(3), saying(both(pair(3), *LAST), "near", attack="praise"),
         Outcome("near_duplicate", faults={"near_duplicate": 2})),
        (voted(4), saying(both(pair(4), *LAST), "wrong", attack="order"), Outcome("disagreeing")),
        (pair(5), saying(both(pair(5), *NEITHER), "", **unread), Outcome("undecided")),
        (voted(6), [*saying(both(pair(6), *NEITHER)[:1], "dots", verdict=undecided("cut")),
                    *saying(both(pair(6), *RIGHT)[1:], "read")], Outcome("undecided")),
        (voted(7), [], Outcome("boilerplate")),
    ]  # fmt: skip
    for of, judgements, outcome in rows:
        counter.add(of, judgements, outcome)
    judgements = both(pair(8), *FIRST)
    judgements[0] = msgspec.structs.replace(judgements[0], permuted=again, attack="order")
    faults = {"no_reason": 1, "near_duplicate": 3}
    for of in (pair(8), voted(9)):
        counter.add(of, judgements, Outcome("kept", tuple(judgements), faults))
    return counter.funnel()


def test_every_pair_is_counted_by_reason_kind_error_and_attack() -> None:
    found = counted()
    lost = {"boilerplate": 1, "disagreeing": 1, "near_duplicate": 1, "one_order": 1, "undecided": 1}
    votes = KindFunnel(pairs=6, kept=1, lost=lost)
    planted = KindFunnel(pairs=4, kept=2, lost={"one_order": 1, "undecided": 1})
    assert found == Funnel(
        pairs=10, undecided=2, disagreeing=1, one_order=2,
        further={"boilerplate": 1, "near_duplicate": 1}, kept=3, kept_judgements=4,
        faulty_traces={"near_duplicate": 8, "no_reason": 2},
        kinds={"caption": planted, "number": votes},
        errors={"colour": planted, "vote": votes},
        attacks={
            "order": KindFunnel(pairs=3, kept=2, lost={"disagreeing": 1}),
            "praise": KindFunnel(pairs=1, kept=0, lost={"near_duplicate": 1}),
        },
        permuted=2, first_position=9 / 15,
        first_details={
            "disagreeing": "pair pair4: 'wrong'",
            "near_duplicate": "pair pair3: 'near'",
            "one_order": "pair pair1: 'first of one_order'",
            "undecided": "empty in pair pair5: ''",
        },
    )  # fmt: skip
    for groups in (found.kinds, found.errors, found.attacks, found.further, found.faulty_traces):
        assert list(groups) == sorted(groups)
    assert list(votes.lost) == list(found.kinds["number"].lost)


def test_nothing_decided_has_no_share_of_first_positions() -> None:
    counter = FunnelCounter()
    assert counter.funnel().first_position is None
    counter.add(pair(0), both(pair(0), *NEITHER), Outcome("undecided"))
    assert counter.funnel().first_position is None
    counter.add(pair(1), both(pair(1), *LAST), Outcome("one_order"))
    assert counter.funnel().first_position == 0


@pytest.mark.parametrize("length", [QUOTED, QUOTED + 1])
def test_of_a_long_judgement_the_end_is_quoted(length: int) -> None:
    counter = FunnelCounter()
    text = f"first{'.' * (length - 9)}last"
    counter.add(pair(0), saying(both(pair(0), *FIRST), text), Outcome("one_order"))
    shown = text if length == QUOTED else f"... irst{text[5:]}"
    assert counter.funnel().first_details == {"one_order": f"pair pair0: {shown!r}"}


STARVED = Funnel(
    pairs=70, undecided=11, disagreeing=12, one_order=13, kept=9, kept_judgements=9, kinds={},
    further={"minority": 14, "no_reason": 15}, first_position=0.75, examples=8,
    first_details={"undecided": "x", "no_reason": "pair pair5: 'A'"},
    unpaired={"unanimous": 3, "empty": 4}, first_unpaired="The first empty: row 'q1'",
)  # fmt: skip


def test_a_starved_loop_shows_its_funnel_what_was_lost_most_and_three_causes() -> None:
    lines = explain_starvation(STARVED, min_examples=40).split("\n")
    expected = [
        ("filtering left 8 examples", "filtering.min_examples is 40. Of 70 pairs:"),
        ("- 11 undecided: ", ";"),
        ("- 12 disagreeing: ", ";"),
        ("- 13 one_order: ", ";"),
        ("- 14 minority: ", "(filtering.majority);"),
        ("- 15 no_reason: ", "(filtering.reason_words);"),
        ("- 9 kept", "."),
        ("Further questions gave no pair: 4 empty, 3 unanimous. ", "The first empty: row 'q1'"),
        ("The first no_reason: ", "pair pair5: 'A'"),
        ("Likely causes:", ""),
        ("(1) where many are undecided, ", "judging.sampling.max_tokens, or use other prompts;"),
        ("(2) where many are one_order, ", "samples get it right;"),
        ("(3) where many disagree, ", "synthesize/ in the store."),
    ]
    assert len(lines) == len(expected)
    for line, (begin, end) in zip(lines, expected, strict=True):
        assert line.startswith(begin)
        assert line.endswith(end)
    assert "judge/ in the store" in lines[10]
    assert "(75% of the verdicts are A): raise judging.samples or " in lines[11]
    assert "look at them and at the reasons" in lines[12]


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"further": {}}, []),  # of `one_order`, the most frequent then, nothing is known
        ({"undecided": 16}, ["The first undecided: x"]),
        ({"undecided": 15}, ["The first undecided: x"]),  # as many: the earlier in the funnel
    ],
)
def test_the_most_frequent_reason_is_quoted_where_a_detail_of_it_is_known(
    changes: dict[str, object], quoted: list[str]
) -> None:
    funnel = msgspec.structs.replace(STARVED, unpaired={}, **changes)
    lines = explain_starvation(funnel, min_examples=40).split("\n")
    assert [line for line in lines if "irst" in line and "(" not in line] == quoted
    assert not [line for line in lines if "gave no pair" in line]


def test_without_any_verdict_nothing_is_said_of_position() -> None:
    funnel = msgspec.structs.replace(STARVED, first_position=None)
    assert "by content (no verdict at all): raise" in explain_starvation(funnel, min_examples=40)
