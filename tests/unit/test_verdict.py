"""What a verdict is read from, and what is left undecided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgeloop.method.judging.verdict import parse_verdict
from judgeloop.schema.records import Choice

LINE_CASES = [
    ("I compared them.\nVerdict: A", "A"),
    ("I compared them.\nVerdict: B", "B"),
    ("Verdict: A", "A"),
    ("reasons\n\nVerdict: b\n\n", "B"),
    ("reasons\n**Verdict: A**", "A"),
    ("reasons\n**Verdict:** A", "A"),
    ("reasons\n## Verdict: B", "B"),
    ("reasons\nVerdict: [[A]]", "A"),
    ("reasons\nVerdict: (B).", "B"),
    ("reasons\nVerdict: Answer A.", "A"),
    ("reasons\nFinal verdict: B", "B"),
    ("reasons\nVERDICT - A", "A"),
    ("reasons\n> Verdict: `A`", "A"),
    ('reasons\nVerdict: "B"', "B"),
    ("Answer B is better than answer A in colour.\nVerdict: A", "A"),
    ("I would say A is better.\nVerdict: B", "B"),
    ("Verdict: A\nmore reasons\nVerdict: A", "A"),
    # No verdict in its place.
    ("Answer 2 is better than Answer 1", "no_verdict"),
    ("Answer A is better.", "no_verdict"),
    ("A", "no_verdict"),
    ("B is clearly the better answer", "no_verdict"),
    ("Verdict: A\nBut then again, who knows.", "no_verdict"),
    ("reasons\nVerdict:", "no_verdict"),
    ("reasons\nVerdict: C", "no_verdict"),
    ("reasons\nVerdict: AB", "no_verdict"),
    ("reasons\nVerdict: A or B", "no_verdict"),
    ("reasons\nVerdict: neither", "no_verdict"),
    ("reasons\nVerdict: tie", "no_verdict"),
    ("reasons\nVerdict: A and B are equal", "no_verdict"),
    ("reasons\nVerdict: not A", "no_verdict"),
    ("reasons\nThe verdict: A is wrong", "no_verdict"),
    ("reasons\nMy verdict is A", "no_verdict"),
    ("I'm sorry, I can't compare these answers.", "no_verdict"),
    ("reasons\nVerdict: Answer 1", "no_verdict"),
    ("reasons\nVerdict: \u0410", "no_verdict"),  # a Cyrillic A
    # Two verdicts.
    ("Verdict: A\nOn reflection:\nVerdict: B", "two_verdicts"),
    ("Verdict: B\nVerdict: A", "two_verdicts"),
    ("Verdict: A\nreasons\nVerdict: B\nso be it", "two_verdicts"),
    # Nothing.
    ("", "empty"),
    ("  \n\t\n", "empty"),
]

LETTER_CASES = [
    ("I see red circle A", "A"),
    ("I see red circle B", "B"),
    ("  I see red circle B \n", "B"),
    ("A", "A"),
    ("I see a red circle", "no_verdict"),
    ("I see red circle A.", "no_verdict"),
    ("A I see red circle", "no_verdict"),
    ("I see redA", "no_verdict"),
    ("I see red circle b", "no_verdict"),
    ("I see red circle C", "no_verdict"),
    ("I see red circle A A", "A"),
    ("A B", "two_verdicts"),
    ("neither A nor B", "two_verdicts"),
    ("both A and B", "two_verdicts"),
    ("I see A B A", "two_verdicts"),
    ("", "empty"),
]


@pytest.mark.parametrize(("text", "expected"), LINE_CASES)
def test_a_verdict_line_is_read_from_the_last_line_alone(text: str, expected: str) -> None:
    verdict = parse_verdict(text, "stop", "verdict_line")
    assert expected == (verdict.reason or verdict.choice)


@pytest.mark.parametrize(("text", "expected"), LETTER_CASES)
def test_a_trailing_letter_is_the_last_word_or_nothing(text: str, expected: str) -> None:
    verdict = parse_verdict(text, "stop", "trailing_letter")
    assert expected == (verdict.reason or verdict.choice)


@pytest.mark.parametrize("verdict_format", ["verdict_line", "trailing_letter"])
def test_a_text_cut_off_at_the_limit_is_undecided_even_where_it_ends_with_a_verdict(
    verdict_format: str,
) -> None:
    verdict = parse_verdict("x\nVerdict: A", "length", verdict_format)
    assert (verdict.choice, verdict.reason) == (Choice.UNDECIDED, "truncated")


@given(st.text(), st.sampled_from(["verdict_line", "trailing_letter"]))
def test_any_text_gives_a_side_or_a_reason_and_never_both(text: str, verdict_format: str) -> None:
    verdict = parse_verdict(text, "stop", verdict_format)
    assert (verdict.choice is Choice.UNDECIDED) == (verdict.reason is not None)


@given(st.text(alphabet="abcdefgh .,\n", min_size=1))
def test_prose_in_lower_case_never_becomes_a_verdict(text: str) -> None:
    assert parse_verdict(text, "stop", "verdict_line").choice is Choice.UNDECIDED
