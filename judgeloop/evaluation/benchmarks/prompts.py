"""The benchmarks' official prompts, read from their own scripts, which this project does not ship.

A script beside the data is parsed, never run; its template must have the bytes of the protocol's
revision. Without a script, judges are asked with the loop's own prompt set, which the figures
state.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import msgspec

from judgeloop.schema.errors import DataError
from judgeloop.store.checksums import sha256_bytes


class OfficialPrompt(msgspec.Struct, frozen=True, kw_only=True):
    """The script with a benchmark's prompt, and how to recognize the prompt."""

    script: str
    """Name of the file."""
    fields: dict[str, str]
    """The script's expressions, or field names, by judgeloop's field names: `question`, `first` and
    `second`."""
    sha256: str
    """Hash of the template with judgeloop's field names."""
    deleted: str = ""
    """A text that is deleted from the prompt after it was filled in."""

    def read(self, folder: Path) -> str | None:
        """Returns the template; None if the script is not there.

        Raises:
            DataError: The script holds another template.
        """
        path = folder / self.script
        if not path.is_file():
            return None
        try:
            found = _templates(ast.parse(path.read_text(encoding="utf-8")), self.fields)
        except (SyntaxError, UnicodeDecodeError, ValueError, RecursionError) as error:
            raise DataError(f"{path}: not a Python script: {error}") from error
        for template in found:
            if sha256_bytes(template.encode()) == self.sha256:
                return template
        raise DataError(
            f"{path}: holds no prompt with the protocol's sha256 {self.sha256}; take the "
            "benchmark's own script, or remove this one to ask by the loop's own prompts"
        )

    def render(self, template: str, question: str, first: str, second: str) -> str:
        """Returns the prompt's text for one order."""
        text = template.format(question=question, first=first, second=second)
        return text.replace(self.deleted, "") if self.deleted else text


def _templates(tree: ast.AST, fields: Mapping[str, str]) -> list[str]:
    """Returns the strings and f-strings of a script that contain all three fields."""
    ours = {expression: name for name, expression in fields.items()}
    templates = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            templates.append("".join(_part(part, ours) for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            for expression, name in ours.items():
                text = text.replace("{" + expression + "}", "{" + name + "}")
            templates.append(text)
    return [text for text in templates if all("{" + name + "}" in text for name in fields)]


def _part(part: ast.expr, ours: Mapping[str, str]) -> str:
    """Returns a literal part of an f-string, or a field by our name for its expression."""
    if isinstance(part, ast.Constant):
        return str(part.value).replace("{", "{{").replace("}", "}}")
    expression = ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ""
    return "{" + ours.get(expression, "unknown") + "}"
