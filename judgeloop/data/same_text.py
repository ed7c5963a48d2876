"""Whether two texts read the same, whatever their white space, case and Unicode normal form."""

from __future__ import annotations

import unicodedata


def same_text_key(text: str) -> str:
    """Returns a key that is equal for texts that differ only in white space, case and Unicode form.

    Compatibility forms (full width, ligatures) are unified, and invisible format characters
    removed.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    visible = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    return " ".join(visible.split())
