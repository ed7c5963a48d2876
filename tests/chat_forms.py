"""The chat templates of the model families that the default prompts are meant for.

Three are the published ones, which TRL ships. The others are forms of the published ones in our own
words: roles, marks and their places are those that docs/method.md lists with their sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import trl

PUBLISHED = Path(trl.__file__).parent / "chat_templates"

_LLAMA = (
    "{{ bos_token }}{% set seen = namespace(image=false) %}"
    "{% for m in messages %}{% for part in m.content %}"
    "{% if part.type == 'image' %}{% set seen.image = true %}{% endif %}"
    "{% endfor %}{% endfor %}"
    "{% if not seen.image %}"
    "<|start_header_id|>system<|end_header_id|>\n\nToday Date: 26 Jul 2024\n\n<|eot_id|>"
    "{% elif messages[0].role == 'system' %}"
    "{{ raise_exception('images are incompatible with system messages') }}{% endif %}"
    "{% for m in messages %}"
    "{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' }}"
    "{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text | trim }}{% else %}<|image|>{% endif %}"
    "{% endfor %}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
_INTERNVL = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}{{ '<IMG_CONTEXT>\n' }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_PIXTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role == 'user' %}[INST]{% elif m.role != 'assistant' %}"
    "{{ raise_exception('only user and assistant, after an optional system message') }}{% endif %}"
    "{% for part in m.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}[IMG]{% endif %}{% endfor %}"
    "{% if m.role == 'user' %}[/INST]{% else %}{{ eos_token }}{% endif %}{% endfor %}"
)


class Form(NamedTuple):
    """A family's template and what surrounds a user turn in it."""

    template: str
    begin: str
    """The begin token; empty if the template writes none."""
    opening: str
    """What stands before a user turn's parts, the begin token and a system turn left out."""
    image: str
    """What an image becomes, before the processor spreads it over its tokens."""
    closing: str
    """What stands after the parts: the end of the turn, and the assistant's beginning."""
    system: str = ""
    """The system turn that the template adds by itself where images are shown."""

    def turn(self, parts: Sequence[str]) -> str:
        """The whole prompt of one user turn, its parts rendered."""
        return self.begin + self.system + self.opening + "".join(parts) + self.closing


_QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
_CHATML = ("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n")


def _published(name: str) -> str:
    return (PUBLISHED / f"{name}.jinja").read_text(encoding="utf-8")


FORMS = {
    "Qwen2.5-VL": Form(
        _published("qwen2_5_vl"), "", _CHATML[0], _QWEN_IMAGE, _CHATML[1],
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n",
    ),
    "Qwen3-VL": Form(_published("qwen3_vl"), "", _CHATML[0], _QWEN_IMAGE, _CHATML[1]),
    "Llama 3.2 Vision": Form(
        _LLAMA, "<|begin_of_text|>", "<|start_header_id|>user<|end_header_id|>\n\n", "<|image|>",
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    "InternVL3": Form(_INTERNVL, "", _CHATML[0], "<IMG_CONTEXT>\n", _CHATML[1]),
    "Gemma 3": Form(
        _published("gemma3"), "<bos>", "<start_of_turn>user\n", "<start_of_image>",
        "<end_of_turn>\n<start_of_turn>model\n",
    ),
    "Pixtral": Form(_PIXTRAL, "<s>", "[INST]", "[IMG]", "[/INST]"),
}  # fmt: skip
