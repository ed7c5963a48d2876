"""Secrets in the environment that must appear nowhere, and a search for them everywhere."""

import base64
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from judgeloop.store import Store

USER = "ada"
NAMES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "HF_TOKEN",
    "OPENAI_API_KEY",
)


class Canaries:
    """One secret for each variable, and one for the address of the MLflow server."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.values = {name: f"canary/{secrets.token_hex(8)}" for name in (*NAMES, "address")}
        for name in NAMES:
            monkeypatch.setenv(name, self.values[name])

    @property
    def credentials(self) -> str:
        """`user:password`, as an address holds them."""
        return f"{USER}:{quote(self.values['address'], safe='')}"

    def track(self, server: str) -> str:
        """Leads MLflow to a server, by an address with a password.

        Returns:
            The address.
        """
        scheme, _, rest = server.partition("://")
        address = f"{scheme}://{self.credentials}@{rest}"
        self._patch.setenv("MLFLOW_TRACKING_URI", address)
        return address

    def found_in(self, places: Mapping[str, bytes]) -> list[str]:
        """Returns where a secret is, as it is or in the forms that addresses and headers have."""
        return [
            f"{name} in {place}"
            for place, content in places.items()
            for name, value in self.values.items()
            for form in self._forms(value)
            if form in content
        ]

    def _forms(self, value: str) -> Iterator[bytes]:
        yield value.encode()
        yield quote(value, safe="").encode()
        yield value.replace("/", "\\/").encode()
        for user in (USER, ""):
            yield base64.b64encode(f"{user}:{value}".encode()).rstrip(b"=")[4:-2]


def files_below(folder: Path) -> dict[str, bytes]:
    """Returns the content of all files below a folder, SQLite's too."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def objects_of(store: Store) -> dict[str, bytes]:
    """Returns all that a store holds."""
    return {f"{store.uri}/{key}": store.read(key) for key in store.list("")}
