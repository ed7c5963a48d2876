"""Lists all versions that judgeloop registered on a server, under any model name."""

from __future__ import annotations

from collections.abc import Iterator

from judgeloop.registry.addresses import Resolved, resolve_model
from judgeloop.registry.client import connect, registry_errors
from judgeloop.registry.versions import CONTENT_TAG, version_uri

_PAGE = 200


def registered_judges() -> Iterator[Resolved]:
    """Yields every version with its judge file, by model and number.

    Aliases point to these versions, so that no version behind an alias is missing.

    Raises:
        RegistryError: The server cannot be used, or a version's judge file cannot be read.
        DataError: A judge file is damaged.
    """
    client = connect()
    found: list[tuple[str, int]] = []
    token: str | None = None
    with registry_errors("cannot list the registered versions"):
        while True:
            page = client.search_model_versions(max_results=_PAGE, page_token=token)
            found += [(one.name, int(one.version)) for one in page if CONTENT_TAG in one.tags]
            token = page.token
            if not token:
                break
    for name, version in sorted(found):
        yield resolve_model(version_uri(name, str(version)))
