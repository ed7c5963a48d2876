"""Prompt sets: the texts that the models get, and where a judge of that set writes its verdict."""

from judgeloop.method.prompts.base import PromptSet, prompt_hash
from judgeloop.method.prompts.templates import TemplatePrompts
from judgeloop.method.prompts.tiny import TinyPrompts

__all__ = ["PromptSet", "TemplatePrompts", "TinyPrompts", "prompt_hash"]
