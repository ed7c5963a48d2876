"""Prompt sets: the texts that the models get, and where a judge of that set writes its verdict."""

from functools import cache

from judgeloop.method.prompts.base import PromptSet, prompt_hash
from judgeloop.method.prompts.templates import TemplatePrompts, default_prompts, own_prompts
from judgeloop.method.prompts.tiny import TinyChoosePrompts, TinyPrompts

__all__ = ["PromptSet", "TemplatePrompts", "TinyPrompts", "load_prompts", "prompt_hash"]


@cache
def load_prompts(name: str) -> PromptSet:
    """Returns the prompt set of that name, or that in the folder of that path or s3:// URI.

    A folder is read once in a process.

    Raises:
        ConfigError: There is none, or a file of it is wrong.
        StoreError: S3 does not answer.
    """
    if name == "tiny":
        return TinyPrompts()
    if name == TinyChoosePrompts.name:
        return TinyChoosePrompts()
    return default_prompts() if name == "default" else own_prompts(name)
