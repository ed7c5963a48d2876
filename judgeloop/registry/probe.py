"""Tries the loop's names on the registry before anything is computed."""

from __future__ import annotations

import uuid

from judgeloop.registry.client import connect, registry_errors
from judgeloop.registry.names import logged_model_name
from judgeloop.registry.tracking import refuse_deleted
from judgeloop.schema.registry_section import MAX_NAME, RegistrySection

_DIGITS = 12


def probe_names(names: RegistrySection) -> None:
    """Creates and deletes a registered model, and a logged one in an existing experiment.

    The registered model's name is the loop's with a unique suffix, so that a loop that registers at
    the same time is not affected.

    Raises:
        RegistryError: The registry cannot be written to, it refuses a name, or the experiment was
            deleted.
    """
    client = connect()
    ending = f"-doctor-{uuid.uuid4().hex[:_DIGITS]}"
    name = names.model_name[: MAX_NAME - len(ending)] + ending
    with registry_errors("cannot write to the registry"):
        client.create_registered_model(name)
        client.delete_registered_model(name)
        experiment = client.get_experiment_by_name(names.experiment)
        if experiment is None:
            return
        refuse_deleted(experiment)
        logged = client.create_logged_model(
            experiment.experiment_id, logged_model_name(names.model_name)
        )
        client.delete_logged_model(logged.model_id)
