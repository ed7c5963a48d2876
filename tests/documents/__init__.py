"""Whether what the Markdown documents name exists.

Looked at are links, what stands in backticks, and code blocks: prose names nothing that could be
told from a word.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from tests.documents.commands import about_command
from tests.documents.names import about_link, about_name, about_test

_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_TEST = re.compile(r"\btest_\w+…?")


def complaints(text: str, place: Path) -> Iterator[str]:
    """Yields a sentence for each thing that a document names and that does not exist.

    Args:
        text: Markdown.
        place: The document's path within the repository.
    """
    prose = _FENCE.sub("", text)
    blocks = [block.split("\n", 1)[1] for block in _FENCE.findall(text)]
    spans = _INLINE.findall(prose)
    for target in _LINK.findall(prose):
        yield from about_link(target, prose, place)
    for span in spans:
        yield from about_name(span, place)
    for block in blocks:
        spans += block.replace("\\\n", " ").splitlines()
    for line in spans:
        yield from about_command(line)
    for name in _TEST.findall(text):
        yield from about_test(name)
