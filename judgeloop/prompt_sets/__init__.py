"""Finds a prompt set by name or location; `judgeloop.method.prompts` defines what a set holds."""

from functools import cache

from judgeloop.method.prompts import PromptSet, TemplatePrompts, TinyPrompts
from judgeloop.method.prompts.templates import default_prompts
from judgeloop.method.prompts.tiny import TinyChoosePrompts
from judgeloop.prompt_sets.files import folder_files

__all__ = ["load_prompts", "own_prompts"]


@cache
def load_prompts(name: str) -> PromptSet:
    """Returns a built-in prompt set by its name, or a user's by its folder's path or s3:// URI.

    A folder is read once per process.

    Raises:
        ConfigError: There is none, or a file of it is wrong.
        StoreError: S3 does not answer.
    """
    if name == "tiny":
        return TinyPrompts()
    if name == TinyChoosePrompts.name:
        return TinyChoosePrompts()
    return default_prompts() if name == "default" else own_prompts(name)


def own_prompts(name: str) -> TemplatePrompts:
    """Returns the set in a folder of the user, on the disk or in S3.

    Raises:
        ConfigError: There is no such folder, or a file in it is missing or wrong.
        StoreError: S3 does not answer.
    """
    return TemplatePrompts(name, folder_files(name))
