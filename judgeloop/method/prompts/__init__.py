"""Prompt sets: the texts that the models get, and where a judge of that set writes its verdict."""

from judgeloop.method.prompts.base import PromptSet, prompt_hash
from judgeloop.method.prompts.default import DefaultPrompts
from judgeloop.method.prompts.tiny import TinyPrompts

__all__ = ["DefaultPrompts", "PromptSet", "TinyPrompts", "load_prompts", "prompt_hash"]


def load_prompts(name: str) -> PromptSet:
    """Returns the prompt set of that name.

    Raises:
        ConfigError: There is none.
    """
    from judgeloop.schema.errors import ConfigError

    if name == "tiny":
        return TinyPrompts()
    if name == "default":
        return DefaultPrompts()
    raise ConfigError(f"prompts: there is no prompt set {name!r}; use `tiny` or `default`")
