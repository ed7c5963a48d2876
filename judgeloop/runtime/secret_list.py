"""Defines secrets: by the name of their variable, by their form, or by the header or field name.

This is the only list, for redaction of logs and errors and for the check of compiled pipelines.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

SHORTEST = 6
"""Minimum number of characters: redacting shorter values, such as `true`, would garble texts."""
_NAME = re.compile(
    r"(SECRETS?|TOKEN|PASSWORDS?|PASSWD|PASSPHRASES?|PASSCODE|CREDENTIALS?|CREDS|KEY|COOKIES?|BEARER"
    r"|(API|ACCESS|AUTH|PRIVATE|SECRET|ACCOUNT|REFRESH)_?(KEY|TOKEN)S"
    r"|CONN(ECTION)?_?STR(ING)?|WEBHOOK(_?(URL|URI|ADDRESS))?|SIGNATURE|AUTHORI[SZ]ATION"
    r"|(^|_)(PASS|PWD|PAT|SAS|DSN|JWT|AUTH|HEADERS?))"
    r"(_?(B64|BASE64|PEM|JSON|VALUE|DATA|OLD|NEW|PREVIOUS))?([_-]?V?\d+)?$",
    re.IGNORECASE,
)
_NO_SECRETS = frozenset({"PWD"})
"""The working folder."""
IN_ADDRESS = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")
"""A password in an address."""
FORMS = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{30,}\b"),
    "a token of GitHub": re.compile(r"\b(?:gh[opsur]_[A-Za-z0-9]{30,}|github_pat_\w{40,})"),
    "a token of GitLab": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a token of Slack": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
    "a key of Google": re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b"),
    "a key of an API": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}\b"),
    "a private key": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----)?"
    ),
    "a signed token": re.compile(r"\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"),
    "a webhook": re.compile(
        r"https://(?:hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/|[\w.-]+\.webhook\.office"
        r"\.com/)[^\s\"'<>]+"
    ),
    "a basic authorization": re.compile(r"\bBasic [A-Za-z0-9+/_-]{8,}={0,2}"),
    "a bearer's token": re.compile(r"\bBearer [A-Za-z0-9._~+/-]{8,}={0,2}"),
}
"""Secrets that are recognized by their form."""
NAMED = re.compile(
    r"(?P<name>(?:x-amz-security-token|x-amz-security-token-bin|(?:proxy-)?authorization|"
    r"(?:set-)?cookie|x-api-key|api-key|x-auth-token|session_?token|secret_?access_?key)"
    r"['\"]?\s*[:=]\s*b?['\"]?)(?P<value>[^'\"\r\n,&}]+)",
    re.IGNORECASE,
)
"""A header or field with its value, as HTTP libraries log them; the value is `value`."""


def names_secret(name: str) -> bool:
    """Returns whether a variable of this name holds a secret."""
    return name not in _NO_SECRETS and _NAME.search(name) is not None


def secret_values(
    more: frozenset[str] = frozenset(), environment: Mapping[str, str] = os.environ
) -> Iterator[tuple[str, str]]:
    """Yields the environment's secrets, each with the name of its variable.

    Args:
        more: Further variables that hold a secret, whatever their names.
        environment: The variables.
    """
    for name, value in environment.items():
        found = set(_parts(value)) if names_secret(name) or name in more else set()
        for password in IN_ADDRESS.findall(value):
            found |= {password, unquote(password)}
        yield from ((name, secret) for secret in found if len(secret) >= SHORTEST)


def _parts(value: str) -> Iterator[str]:
    """Yields a value and parts that may occur alone: lines, and texts after `name=` in them."""
    yield value
    for line in value.splitlines():
        yield line.strip()
        for field in line.split(";"):  # as in a cookie or a connection string
            name, sign, rest = field.strip().partition("=")
            if sign and names_secret(name.replace(" ", "_") or "KEY"):
                yield rest
