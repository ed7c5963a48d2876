"""Escapes control characters in foreign text for a terminal, a log or a report.

A terminal executes control characters: they move the cursor, change colors, rename the window or
send back what is shown. They come from rows, models, servers and file names.
"""

import re

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 except tab and line feed, delete, C1
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2066-\u2069"  # bidirectional formatting characters
    "\ud800-\udfff]"  # halves of surrogate pairs, which no encoding can write
)


def printable(text: str) -> str:
    """Returns a text with its control characters escaped, as in JSON.

    Tabs and line feeds stay. In a JSON text the escape means the same character.

    Args:
        text: Any text.
    """
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def encodable(text: str) -> str:
    """Returns a text that UTF-8 can hold.

    Half a surrogate pair, which the JSON of a server can write as an escape, becomes U+FFFD; two
    halves that belong together become their character.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
