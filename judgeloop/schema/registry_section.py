"""The configuration's section about MLflow, with the names that MLflow and its databases accept.

Names under which nothing could be registered or found again are refused. All others work: a name
that MLflow accepts in one place but not in another is derived (`judgeloop.registry.names`).
"""

from __future__ import annotations

import unicodedata

from judgeloop.schema.section import Section

_CONTROLS = ("Cc", "Cs")
"""Unicode's categories of control characters and of lone surrogates."""
MAX_NAME = 256
"""Characters of a name: MLflow's columns hold no more."""


class RegistrySection(Section, frozen=True, kw_only=True):
    """Where versions are registered. The server comes from MLFLOW_TRACKING_URI."""

    model_name: str
    """The registered model; its versions are found as `models:/<model_name>/<version>`."""
    experiment: str
    """The experiment that holds the loop's runs."""

    def __post_init__(self) -> None:
        """Refuses names that MLflow cannot keep, before anything is computed."""
        for field, name, refused in (
            ("model_name", self.model_name, "/:"),
            ("experiment", self.experiment, ""),
        ):
            if reason := _misfit(name, refused):
                raise ValueError(f"registry.{field} {name[:80]!r} {reason}")
        if self.model_name in (".", ".."):
            raise ValueError(f"registry.model_name {self.model_name!r} is a folder, not a name")


def _misfit(name: str, refused: str) -> str | None:
    """Returns why a name cannot be used, or None if it can."""
    if not name.strip():
        return "is empty: give a name"
    if name != name.strip():
        return "begins or ends with white space, which some databases ignore: remove it"
    if len(name) > MAX_NAME:
        return f"has {len(name)} characters, MLflow keeps {MAX_NAME}: shorten it"
    if wrong := sorted({c for c in name if c in refused or unicodedata.category(c) in _CONTROLS}):
        shown = " ".join(repr(c) for c in wrong)
        return f"contains {shown}, which MLflow refuses or cannot find again: use other characters"
    if not unicodedata.is_normalized("NFC", name):
        return "has letters and accents as separate characters: write it in Unicode form NFC"
    return None
