"""What a verdict is read from, and what is left undecided. The texts are in `verdict_cases.py`."""

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgeloop import parse_verdict
from judgeloop.method.judging.verdict import parse_tiny_verdict
from judgeloop.method.markup import without_control_tokens
from judgeloop.schema.records import Choice
from tests.unit.verdict_cases import CASES, LABELLED

SEEN_CASES = [
    ("I see red circle A", "A"),
    ("I see red circle B", "B"),
    ("  I see red circle B \n", "B"),
    ("I see purple cross southwest B", "B"),
    ("I see 3 B", "B"),
    ("A", "no_verdict"),
    ("not A", "no_verdict"),
    ("plan B", "no_verdict"),
    ("I see not A", "no_verdict"),
    ("I see neither B", "no_verdict"),
    ("I do not see B", "no_verdict"),
    ("we see red circle B", "no_verdict"),
    ("I see red circle\nB", "no_verdict"),
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

FRAGMENTS = (
    *("Verdict: A", "Verdict: B", "verdict", ":", " ", "\n", "\n\n", "A", "B", "Answer A", "not"),
    *("is better", "than", "[[A]]", "[[B]]", '"', "`", "```\n", "> ", "<think>", "</think>", "or"),
    *("Answer B says:", "the sofa is red", "**", "| Verdict | A |", '{"verdict": "B"}', ". ", "?"),
    *(
        "Winner:",
        "tie",
        "\\boxed{A}",
        "(",
        ")",
        "because",
        "However",
        "<|eot_id|>",
        "#",
        "-",
        "7/10",
    ),
)
"""What texts about verdicts are made of."""


def outcome(text: str, labels: tuple[str, str] = ("A", "B")) -> str:
    verdict = parse_verdict(text, "stop", labels)
    return verdict.reason or verdict.choice


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_a_verdict_is_read_as_a_careful_reader_takes_it(text: str, expected: str) -> None:
    assert outcome(text) == expected


@pytest.mark.parametrize(("labels", "text", "expected"), LABELLED)
def test_the_same_rules_read_whatever_names_the_answers(
    labels: tuple[str, str], text: str, expected: str
) -> None:
    assert outcome(text, labels) == expected


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_swapping_the_labels_swaps_the_verdict_and_nothing_else(text: str, expected: str) -> None:
    swapped = {"A": "B", "B": "A"}.get(expected, expected)
    assert outcome(text, ("B", "A")) == swapped


PADDED = [
    ("Considering ~, verdict:", "x", 79, "{}\nA", "A", "no_verdict"),
    ("Verdict: A because it is ~", "x", 600, "{}", "A", "no_verdict"),
    ("Answer A is better because it is ~", "x", 600, "{}", "A", "no_verdict"),
    ("A because it is ~", "x", 200, '{{"verdict": "{}"}}', "A", "no_verdict"),
    ("Answer B ~ says:", "x", 300, "{}\nVerdict: A", "no_verdict", "A"),
    (":~", " ", 80, 'Verdict{}"B"', "B", "no_verdict"),
    ("~.", " ", 400, "`Verdict: A`{}", "no_verdict", "A"),
    ("o~", " ", 400, "S{}`Verdict: A`", "no_verdict", "A"),
]
"""A text, what it is padded with at `~`, the length that counts, and where the text stands."""


@pytest.mark.parametrize(("text", "pad", "longest", "place", "within", "beyond"), PADDED)
def test_a_long_heading_sentence_field_or_gap_is_read_up_to_its_limit_and_no_further(
    text: str, pad: str, longest: int, place: str, within: str, beyond: str
) -> None:
    for length, expected in ((longest, within), (longest + 1, beyond)):
        padded = text.replace("~", pad * (length - len(text) + 1))
        assert (length, outcome(place.format(padded))) == (len(padded), expected)


@pytest.mark.parametrize(("text", "expected"), SEEN_CASES)
def test_the_tiny_worlds_judgement_is_its_one_sentence_or_nothing(text: str, expected: str) -> None:
    verdict = parse_tiny_verdict(text)
    assert expected == (verdict.reason or verdict.choice)


@pytest.mark.parametrize("parse", [parse_verdict, parse_tiny_verdict])
@pytest.mark.parametrize(
    "reason", ["length", "max_tokens", "MAX_TOKENS", "content_filter", "abort"]
)
def test_a_text_that_was_cut_off_is_undecided_even_where_it_ends_with_a_verdict(
    parse: type[parse_verdict], reason: str
) -> None:
    for text in ("x\nVerdict: A", "I see red A"):
        verdict = parse(text, reason)
        assert (verdict.choice, verdict.reason) == (Choice.UNDECIDED, "truncated")


@pytest.mark.parametrize("reason", ["stop", "eos_token", "STOP", "end_turn", "stop_sequence", None])
def test_every_other_finish_reason_is_an_end(reason: str | None) -> None:
    assert parse_verdict("Verdict: A", reason).choice is Choice.A


@pytest.mark.parametrize("labels", [("A",), ("A", "A"), ("a", "A"), ("A", " "), ("A", "B", "C")])
def test_labels_that_are_not_two_names_are_refused(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="two different names"):
        parse_verdict("Verdict: A", "stop", labels)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_any_text_gives_a_side_or_a_reason_never_both_and_never_an_unnamed_side(text: str) -> None:
    verdict = parse_verdict(text)
    assert (verdict.choice is Choice.UNDECIDED) == (verdict.reason is not None)
    if verdict.choice is not Choice.UNDECIDED:
        assert verdict.choice in text


@settings(max_examples=200)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join))
def test_what_is_quoted_never_decides(quoted: str) -> None:
    inner = re.sub(r'["“”]|</?think>', "", quoted)
    for text in (f"Answer B says “{inner}”", f"<think>{inner}</think>", f"Answer B says:\n{inner}"):
        if text.endswith(inner) and re.search(r"\n\s*\n", without_control_tokens(inner)):
            continue  # a later paragraph may be the judge's own
        assert parse_verdict(text).choice is Choice.UNDECIDED


@settings(max_examples=200)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join), st.sampled_from("AB"))
def test_a_last_line_for_the_other_side_never_leaves_the_first(text: str, letter: str) -> None:
    verdict = parse_verdict(f"{text}\n\nVerdict: {letter}")
    assert verdict.choice in (letter, Choice.UNDECIDED)


@given(st.text(max_size=300))
def test_any_text_at_all_is_read(text: str) -> None:
    parse_verdict(text)
    parse_tiny_verdict(text)


HOSTILE = (
    *(
        "*",
        "Verdict: ",
        "Verdict: A ",
        '"',
        "“",
        "{",
        '{"a":',
        "```\n",
        "[[",
        "<think>",
        "\\boxed{",
    ),
    *(
        "> ",
        "- ",
        "so ",
        "the ",
        "A ",
        "Answer A ",
        "Answer A is ",
        "(",
        "| ",
        "'",
        "`",
        "\n",
        "\n\nA",
    ),
    *("Answer B says:\n", "after ", "in ", "most ", "A: 7, ", "\\text{", "<answer>", "ﷺ", "\u200b"),
    *("Verdict: A\n", "Answer A is better than ", '"A"\n', "<|a|>", "`A`\n", "'A' ", "{}\n"),
)


@pytest.mark.parametrize("fragment", HOSTILE)
def test_the_time_grows_with_the_length_and_not_faster(fragment: str) -> None:
    def seconds(size: int) -> float:
        text = fragment * (size // len(fragment))
        start = time.process_time()
        parse_verdict(text)
        return time.process_time() - start

    seconds(100)
    assert seconds(40_000) < 16 * seconds(10_000) + 0.5


def test_importing_judgeloop_loads_nothing_until_the_parser_is_asked_for() -> None:
    code = (
        "import sys, judgeloop; assert 'msgspec' not in sys.modules; "
        "assert judgeloop.parse_verdict('Verdict: B').choice == 'B'; "
        "assert not hasattr(judgeloop, 'nothing')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
