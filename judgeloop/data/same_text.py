"""Whether two texts read the same, whatever their white space, case and Unicode normal form."""

from __future__ import annotations

import unicodedata


def same_text_key(text: str) -> str:
    """Returns what texts that differ in white space, case and Unicode normal form have in common.

    Compatibility forms (full width, ligatures) are one, invisible characters of formats go.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    visible = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return " ".join(visible.split())
