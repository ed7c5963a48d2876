"""Address and credentials of the Kubeflow Pipelines server, by the KFP client's conventions.

| variable | what |
| --- | --- |
| `KF_PIPELINES_ENDPOINT` | address, such as http://localhost:8888 behind `kubectl port-forward` |
| `KF_PIPELINES_UI_ENDPOINT` | address of the user interface, for printed links |
| `KF_PIPELINES_SA_TOKEN_PATH` | file with a bearer token, read again for each request |
| `KF_PIPELINES_TOKEN` | a bearer token |
| `KF_PIPELINES_COOKIE` | a session's cookie, such as `oauth2_proxy_kubeflow=...` |
| `KF_PIPELINES_NAMESPACE` | the profile's namespace, where there are several users |
| `KF_PIPELINES_CA_CERT` | file with the certificate authority of an https address |

In a pod nothing need be set: the address is the service's, the token is the projected one. A token
is never a command-line argument, which all users of a machine can read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgeloop.cluster.own_pod import IN_POD
from judgeloop.ops.doctor.release import KUBEFLOW
from judgeloop.schema.errors import ConfigError, reason_of

POD_TOKEN = "/var/run/secrets/kubeflow/pipelines/token"


@dataclass(frozen=True)
class Connection:
    """How to reach one server."""

    host: str
    ui: str | None
    namespace: str | None
    token: str | None
    token_file: Path | None
    cookie: str | None
    ca_cert: str | None

    @classmethod
    def from_environment(cls, given: Mapping[str, str] = os.environ) -> Connection:
        """Reads the variables.

        Raises:
            ConfigError: No address is given outside a pod, the address is not valid, or the token
                file cannot be read.
        """
        in_pod = IN_POD in given
        host = given.get("KF_PIPELINES_ENDPOINT") or (KUBEFLOW if in_pod else "")
        if not host:
            raise ConfigError(
                "KF_PIPELINES_ENDPOINT is not set: give the address of Kubeflow Pipelines, or run "
                "`kubectl port-forward -n kubeflow svc/ml-pipeline 8888` and set it to "
                "http://localhost:8888"
            )
        if not host.startswith(("http://", "https://")):
            raise ConfigError(f"KF_PIPELINES_ENDPOINT={host}: begin it with http:// or https://")
        path = given.get("KF_PIPELINES_SA_TOKEN_PATH")
        if path is None and in_pod and Path(POD_TOKEN).exists():
            path = POD_TOKEN
        found = cls(
            host=host.rstrip("/"),
            ui=(given.get("KF_PIPELINES_UI_ENDPOINT") or "").rstrip("/") or None,
            namespace=given.get("KF_PIPELINES_NAMESPACE") or None,
            token=given.get("KF_PIPELINES_TOKEN") or None,
            token_file=Path(path) if path else None,
            cookie=given.get("KF_PIPELINES_COOKIE") or None,
            ca_cert=given.get("KF_PIPELINES_CA_CERT") or None,
        )
        found.read_token()
        return found

    def read_token(self) -> str | None:
        """Returns the current bearer token; a token file may have been renewed.

        Raises:
            ConfigError: The token file cannot be read.
        """
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"KF_PIPELINES_SA_TOKEN_PATH={self.token_file}: cannot be read ({reason_of(error)})"
            ) from error

    def open(self) -> Any:
        """Returns KFP's generated API client (`kfp_server_api.ApiClient`); sends no request."""
        import kfp_server_api as api

        configuration = api.Configuration(host=self.host)
        configuration.retries = False  # `Kubeflow` retries what may be retried
        configuration.ssl_ca_cert = self.ca_cert
        if self.token or self.token_file:
            configuration.api_key_prefix["authorization"] = "Bearer"
            configuration.api_key["authorization"] = self.read_token()
            configuration.refresh_api_key_hook = self._refresh
        return api.ApiClient(configuration, cookie=self.cookie)

    def _refresh(self, configuration: Any) -> None:
        configuration.api_key["authorization"] = self.read_token()
