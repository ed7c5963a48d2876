"""Registered versions of a judge, and the aliases `candidate`, `champion` and `previous`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from judgeloop.registry.client import connect, is_missing, registry_errors
from judgeloop.registry.names import logged_model_name
from judgeloop.registry.notes import model_note
from judgeloop.registry.once import find_or_create
from judgeloop.registry.tracking import ITERATION_TAG, LOOP_TAG, Run
from judgeloop.schema.errors import RegistryError
from judgeloop.store.scratch import scratch_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

CANDIDATE = "candidate"
CHAMPION = "champion"
PREVIOUS = "previous"
CONTENT_TAG = "judgeloop.content_key"
_IDENTITY = (CONTENT_TAG, LOOP_TAG, ITERATION_TAG)
REPLACED_TAG = "judgeloop.replaced"
"""Tag of a promoted version: the champion before it, empty if there was none."""
_log = logging.getLogger(__name__)
_MODEL_TYPE = "vlm-judge"
_LOGGED = "models:/"


class Registered(NamedTuple):
    """A version, and the logged model that holds its files."""

    version: str
    model_id: str


class ChampionMovedError(RegistryError):
    """Another version has become the champion since the candidate was compared."""


def version_uri(model_name: str, version: str) -> str:
    """Returns `models:/name/version`."""
    return f"models:/{model_name}/{version}"


def register_version(
    model_name: str,
    fill: Callable[[Path], None],
    run: Run,
    content: str,
    tags: Mapping[str, str],
    description: str = "",
) -> Registered:
    """Registers a version and makes it the `candidate`; idempotent.

    Args:
        model_name: The registered model; created if needed.
        fill: Writes the version's `judge.json` and `adapter/` into an empty folder; called if there
            is no such version yet.
        run: The run that trained it.
        content: Identifies the content; together with the tags of loop and iteration it shows
            whether the version is registered already.
        tags: Tags of the version, among them those of loop and iteration.
        description: Description of the version for MLflow's page, as Markdown.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    tags = {**tags, CONTENT_TAG: content}
    with registry_errors(f"cannot register a version of {model_name}"):
        found = _find(client, model_name, tags) or _create(
            client, model_name, fill, run, tags, description
        )
        _remove_duplicates(client, model_name, tags, found)
        newest = aliases(model_name).get(CANDIDATE)
        if newest is None or int(newest) < int(found.version):
            client.set_registered_model_alias(model_name, CANDIDATE, found.version)
    return Registered(str(found.version), found.source.removeprefix(_LOGGED))


def promote(model_name: str, version: str, instead_of: str | None) -> None:
    """Makes a version the champion, and the champion before it `previous`; idempotent.

    MLflow moves an alias without a condition, so the check is made just before: two simultaneous
    promotions can still both pass.

    Args:
        model_name: The registered model.
        version: The new champion.
        instead_of: The champion that it was compared with; None if there was none.

    Raises:
        ChampionMovedError: Another version is the champion now.
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    old = aliases(model_name).get(CHAMPION)
    if old == version:
        return
    if old != instead_of:
        raise ChampionMovedError(
            f"{version_uri(model_name, version)} was compared with {_named(instead_of)}, but the "
            f"champion is {_named(old)} now: compare it with that one"
        )
    with registry_errors(f"cannot promote {version_uri(model_name, version)}"):
        # The tag comes first, so that `replaced_champion` is right after a crash at any point.
        client.set_model_version_tag(model_name, version, REPLACED_TAG, old or "")
        if old is not None:
            client.set_registered_model_alias(model_name, PREVIOUS, old)
        client.set_registered_model_alias(model_name, CHAMPION, version)


def replaced_champion(model_name: str, version: str) -> str | None:
    """Returns the champion that a promoted version replaced, or None if there was none.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    return version_tags(model_name, version).get(REPLACED_TAG) or None


def version_tags(model_name: str, version: str) -> dict[str, str]:
    """Returns the tags of a version.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot read {version_uri(model_name, version)}"):
        return dict(client.get_model_version(model_name, version).tags)


def tag_version(model_name: str, version: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a version.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot tag {version_uri(model_name, version)}"):
        for key, value in sorted(tags.items()):
            client.set_model_version_tag(model_name, version, key, value)


def add_to_description(model_name: str, version: str, line: str) -> str:
    """Adds a line to a version's description, if it is not there; returns the description.

    Raises:
        RegistryError: There is no such version, or the server cannot be used.
    """
    client = connect()
    with registry_errors(f"cannot describe {version_uri(model_name, version)}"):
        text = client.get_model_version(model_name, version).description or ""
        if line not in text.splitlines():
            text = f"{text}\n{line}".strip()
            client.update_model_version(model_name, version, text)
    return text


def aliases(model_name: str) -> dict[str, str]:
    """Returns versions by alias; empty if nothing is registered under this name.

    Raises:
        RegistryError: The server cannot be used.
    """
    client = connect()
    from mlflow.exceptions import MlflowException

    with registry_errors(f"cannot read the aliases of {model_name}"):
        try:
            found = client.get_registered_model(model_name).aliases
        except MlflowException as error:
            if not is_missing(error):
                raise
            return {}
    return {alias: str(version) for alias, version in found.items()}


def _named(version: str | None) -> str:
    return "no champion" if version is None else f"version {version}"


def _find(client: MlflowClient, model_name: str, tags: Mapping[str, str]) -> Any:
    """Returns the oldest version with these tags, or None if there is none."""
    return next(iter(_all(client, model_name, tags)), None)


def _all(client: MlflowClient, model_name: str, tags: Mapping[str, str]) -> list[Any]:
    """Returns the versions with these tags, the oldest first."""
    # By tags alone: a filter cannot express every name.
    found = [v for v in client.search_model_versions(_tagged(tags)) if v.name == model_name]
    return sorted(found, key=lambda version: int(version.version))


def _tagged(tags: Mapping[str, str]) -> str:
    """Returns the filter for objects of one iteration of one loop."""
    return " and ".join(f"tags.`{key}` = '{tags[key]}'" for key in _IDENTITY)


def _remove_duplicates(
    client: MlflowClient, model_name: str, tags: Mapping[str, str], kept: Any
) -> None:
    """Deletes duplicates that a slow server created from retried requests."""
    twins = [
        v.version for v in _all(client, model_name, tags) if int(v.version) > int(kept.version)
    ]
    for twin in twins:
        if not client.get_model_version(model_name, twin).aliases:  # a search does not return them
            _log.warning("removing version %s, a duplicate of %s", twin, kept.version)
            client.delete_model_version(model_name, twin)


def _create(
    client: MlflowClient,
    model_name: str,
    fill: Callable[[Path], None],
    run: Run,
    tags: Mapping[str, str],
    description: str,
) -> Any:
    from mlflow.exceptions import MlflowException

    def find_logged() -> Any:
        # A version that an earlier start left unfinished is filled again, with the same files.
        found = client.search_logged_models([run.experiment_id], _tagged(tags), max_results=1)
        return next(iter(found), None)

    logged = find_or_create(
        find_logged,
        lambda: client.create_logged_model(
            run.experiment_id,
            logged_model_name(model_name),
            source_run_id=run.id,
            tags=tags,
            model_type=_MODEL_TYPE,
        ),
    )
    with scratch_folder("version") as folder:
        fill(Path(folder))
        client.log_model_artifacts(logged.model_id, folder)
    client.finalize_logged_model(logged.model_id, "READY")
    try:
        client.create_registered_model(model_name, description=model_note(model_name))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return find_or_create(
        lambda: _find(client, model_name, tags),
        lambda: client.create_model_version(
            model_name,
            f"{_LOGGED}{logged.model_id}",
            run_id=run.id,
            tags=dict(tags),
            description=description,
            model_id=logged.model_id,
        ),
    )
