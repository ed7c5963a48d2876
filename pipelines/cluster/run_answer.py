"""Validates the server's description of a run before it is used."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from judgeloop.schema.errors import ClusterError


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a run that are used."""

    run_id: str
    display_name: str
    created_at: datetime
    state: str | None = None
    experiment_id: str | None = None
    parameters: dict[str, Any] = {}


def read_run(answer: Any) -> RunAnswer:
    """Reads a run (`kfp_server_api.V2beta1Run`).

    Raises:
        ClusterError: Something that every run has is missing, or has another type.
    """
    given = {name: getattr(answer, name, None) for name in RunAnswer.__struct_fields__[:-1]}
    settings = getattr(answer, "runtime_config", None)
    given["parameters"] = getattr(settings, "parameters", None) or {}
    try:
        return msgspec.convert(given, RunAnswer)
    except msgspec.ValidationError as error:
        raise ClusterError(f"the server's description of a run is not valid: {error}") from error
