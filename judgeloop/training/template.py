"""The chat template for training on whole conversations, which marks the assistant's tokens.

A judge must be trained on exactly the text that its engine will show it, so a template of ours is
used only if it renders the same text as the base's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import resources
from typing import Any

from judgeloop.schema.errors import TrainingError

_MARKER = re.compile(r"\{%[-+]?\s*generation\b")
_FILE = "mllama.jinja"


def mark_assistant(processor: Any, images: Iterable[int]) -> None:
    """Gives a processor a template that marks the assistant's tokens, unless its own does.

    Args:
        processor: The base's processor; its template is changed in place.
        images: Numbers of images that examples have.

    Raises:
        TrainingError: Our template does not render the same text as the base's own.
    """
    if _MARKER.search(processor.chat_template):
        return
    ours = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    for count in sorted(set(images)):
        for add_prompt in (True, False):
            turns = _turns(count)[: 1 if add_prompt else 2]
            own, marked = (
                processor.apply_chat_template(
                    turns, chat_template=template, add_generation_prompt=add_prompt, tokenize=False
                )
                for template in (processor.chat_template, ours)
            )
            if own != marked:
                raise TrainingError(
                    f"the base's chat template writes a conversation with {count} images as "
                    f"{own!r}, training would write {marked!r}, so the judge would learn another "
                    "prompt than it is asked. Give the base's template `{% generation %}` markers "
                    "around the assistant's text and its end token"
                )
    processor.chat_template = ours


def _turns(images: int) -> list[dict[str, Any]]:
    parts: list[dict[str, str]] = [{"type": "image"}] * images
    return [
        {"role": "user", "content": [*parts, {"type": "text", "text": "question"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "answer"}]},
    ]
