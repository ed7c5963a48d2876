"""Golden files of the prompts: a changed word shows in review, and changes the prompt hash.

To accept a change, write the new text: `UPDATE_GOLDEN=1 pytest tests/unit/test_prompts.py`.
"""

import os
from pathlib import Path

import msgspec
import pytest

from judgeloop.method.prompts import PromptSet, load_prompts, prompt_hash
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Kind, Question

GOLDEN = Path(__file__).parents[1] / "golden" / "prompts"


def texts(prompts: PromptSet) -> dict[str, str]:
    question = Question(id="q", images=("0",), text="How many dogs are there?", kind=Kind.CAPTION)
    found = {
        "alter": prompts.alter(question, "Two dogs on a sofa.", "count"),
        "judge": prompts.judge(question, "Two dogs on a sofa.", "Three dogs on a sofa."),
    }
    for kind in Kind:
        asked = Question(id="q", images=("0",), text="How many dogs are there?", kind=kind)
        found[f"answer-{kind}"] = prompts.answer(asked)
    return found


@pytest.mark.parametrize("name", ["default", "tiny"])
def test_prompts_are_as_they_were_reviewed(name: str) -> None:
    for purpose, text in texts(load_prompts(name)).items():
        path = GOLDEN / f"{name}-{purpose}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        assert path.read_text() == text + "\n", f"{path.name} differs; see this module's docstring"


def test_both_orders_of_a_default_judge_prompt_share_everything_before_the_answers() -> None:
    question = Question(id="q", images=("0",), text="What is this?", kind=Kind.CAPTION)
    prompts = load_prompts("default")
    one, other = prompts.judge(question, "X", "Y"), prompts.judge(question, "Y", "X")
    before = one.index("X\n\nAnswer B:")
    assert one[:before] == other[:before]
    assert one[:before].rstrip().endswith("Answer A:")


def test_options_are_shown_with_their_letters_unless_the_text_has_them() -> None:
    prompts = load_prompts("default")
    question = Question(
        id="q", images=("0",), text="What is it?", kind=Kind.MULTIPLE_CHOICE, choices=("cat", "dog")
    )
    for text in (prompts.answer(question), prompts.judge(question, "A", "B")):
        assert "What is it?\n(A) cat\n(B) dog\n" in text
    shown = msgspec.structs.replace(question, text="Is it (A) a cat or (B) a dog?")
    assert prompts.answer(shown).count("cat") == 1


def test_text_of_a_question_is_put_in_as_it_is_and_never_run_as_a_template() -> None:
    question = Question(id="q", images=("0",), text="{{ 7 * 7 }} <b>", kind=Kind.CAPTION)
    assert "{{ 7 * 7 }} <b>" in load_prompts("default").judge(question, "{% x %}", "B")


def test_the_hash_differs_between_sets_and_an_unknown_set_is_refused() -> None:
    assert prompt_hash(load_prompts("tiny")) != prompt_hash(load_prompts("default"))
    with pytest.raises(ConfigError, match="no prompt set 'nope'"):
        load_prompts("nope")
