"""Paths that begin with `~`."""

from __future__ import annotations

from pathlib import Path

from judgeloop.schema.errors import ConfigError


def expand_home(path: str | Path) -> Path:
    """Returns a path with the user's home in place of `~`, or another user's in place of `~name`.

    Raises:
        ConfigError: There is no such user, or the user has no home.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"{path}: the home that `{Path(path).parts[0]}` stands for is not known; write the "
            "whole path"
        ) from error
