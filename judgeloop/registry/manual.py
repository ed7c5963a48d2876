"""Manual promotion: a person changes the champion, with a reason and an audit trail.

The trail is one tag on the registered model for each move, in order: who, when, why, from which
version to which, and the figures that both had. Tags outlive aliases, and MLflow's page shows them.
"""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime

import msgspec

from judgeloop.registry.addresses import resolve_model
from judgeloop.registry.client import connect, registry_errors
from judgeloop.registry.versions import (
    CHAMPION,
    PREVIOUS,
    aliases,
    promote,
    version_uri,
)
from judgeloop.schema.errors import ConfigError, RegistryError

TRAIL = "judgeloop.move."
"""Prefix of the tags' names, before the time."""
FIGURES = ("evaluation/both_orders", "evaluation/accuracy", "evaluation/undecided")


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the champion by a person."""

    action: str
    """`promote` or `rollback`."""
    at: str
    """UTC, ISO 8601."""
    by: str
    reason: str
    version: str
    """The new champion."""
    instead_of: str
    """The champion that it replaced; empty if there was none."""
    figures: dict[str, dict[str, float]]
    """Figures of both versions when they were registered."""


def promote_by_hand(uri: str, reason: str, instead_of: str | None) -> Move:
    """Makes a version the champion.

    Args:
        uri: `models:/name/version`, or an alias.
        reason: Reason; recorded in the trail.
        instead_of: The champion that the person expects to replace; None if there is none.

    Raises:
        ConfigError: There is no reason, or the version is already the champion.
        ChampionMovedError: Another version is the champion.
        RegistryError: There is no such version, or the server cannot be used.
    """
    found = resolve_model(uri)
    if aliases(found.name).get(CHAMPION) == found.version:
        raise ConfigError(f"{found.uri} is already the champion")
    return _moved("promote", found.name, found.version, instead_of, reason)


def roll_back(name: str, reason: str, instead_of: str | None = None) -> Move:
    """Makes the version `previous` the champion again; the champion becomes `previous`.

    Args:
        name: The registered model.
        reason: Reason; recorded in the trail.
        instead_of: The champion that the person expects to replace; None accepts any.

    Raises:
        ConfigError: There is no reason, or no previous version.
        ChampionMovedError: Another version is the champion.
        RegistryError: The server cannot be used.
    """
    now = aliases(name)
    previous, champion = now.get(PREVIOUS), now.get(CHAMPION)
    if previous is None or previous == champion:
        raise ConfigError(f"{name} has no version `{PREVIOUS}` to go back to")
    return _moved("rollback", name, previous, instead_of or champion, reason)


def trail(name: str) -> list[Move]:
    """Returns the changes by people, the oldest first.

    Raises:
        RegistryError: There is no such model, or the server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot read the tags of {name}"):
        tags = dict(client.get_registered_model(name).tags)
    moves = (value for tag, value in sorted(tags.items()) if tag.startswith(TRAIL))
    return [msgspec.json.decode(value, type=Move) for value in moves]


def _moved(action: str, name: str, version: str, instead_of: str | None, reason: str) -> Move:
    if not reason.strip():
        raise ConfigError("give a reason: it stays with the version")
    now = datetime.now(UTC)
    move = Move(
        action=action,
        at=now.isoformat(timespec="seconds"),
        by=getpass.getuser(),
        reason=reason.strip(),
        version=version,
        instead_of=instead_of or "",
        figures={one: _figures(name, one) for one in (version, instead_of) if one},
    )
    promote(name, version, instead_of)
    client = connect()
    with registry_errors(f"cannot enter the move of {name}'s champion"):
        tag = f"{TRAIL}{now:%Y%m%dT%H%M%S.%f}"
        client.set_registered_model_tag(name, tag, json.dumps(msgspec.to_builtins(move)))
    return move


def _figures(name: str, version: str) -> dict[str, float]:
    """Returns a version's figures; none where judgeloop did not register it."""
    try:
        metrics = resolve_model(version_uri(name, version)).judge.metrics
    except RegistryError:
        return {}
    return {figure: metrics[figure] for figure in FIGURES if figure in metrics}
