"""The objects of a collection, kept up to date: listed, watched, and listed again after a loss.

A watch ends by itself after some minutes, when its connection is lost, or with 410 once the version
that it began with is forgotten. All three are handled alike: the collection is listed again, and a
new watch begins at the list's version.
"""

from __future__ import annotations

import logging
import threading
from urllib.parse import quote, urlencode

from judgeloop.cluster.kubernetes import RefusedError, Tree
from judgeloop.cluster.own_pod import OwnCluster
from judgeloop.schema.errors import ClusterError

logger = logging.getLogger(__name__)

WATCH_S = 240
"""Time after which the API ends a watch by itself."""
SILENCE_S = 300.0
PAUSE_S = 2.0
"""Time between a loss and the next list."""
FORBIDDEN = (401, 403, 404)


class Watch:
    """The objects of one kind that a selector picks.

    `objects` holds those that exist and `gone` the last state of those that were deleted, by name.

    Args:
        cluster: The namespace.
        collection: Path of the collection in the API.
        selector: `labelSelector` or `fieldSelector`, and its value.
        changed: Set whenever an object changes.
    """

    def __init__(
        self,
        cluster: OwnCluster,
        collection: str,
        selector: dict[str, str],
        changed: threading.Event,
    ) -> None:
        self.objects: dict[str, Tree] = {}
        self.gone: dict[str, Tree] = {}
        self.listed = False
        """Whether the collection was listed at least once."""
        self.refused: RefusedError | None = None
        """Set where this account may not watch."""
        self._cluster = cluster
        self._path = f"{collection}?{urlencode(selector, quote_via=quote)}"
        self._changed = changed
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begins to watch in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch; the thread ends with its connection."""
        self._ended.set()

    def list(self) -> str:
        """Lists the collection; returns the list's version.

        Raises:
            ClusterError: The API refuses or does not answer.
        """
        answer = self._cluster.ask(self._path)
        found = {each["metadata"]["name"]: each for each in answer.get("items", [])}
        self.gone |= {name: old for name, old in self.objects.items() if name not in found}
        self.objects, self.listed = found, True
        self._changed.set()
        return str(answer.get("metadata", {}).get("resourceVersion", ""))

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._follow(self.list())
            except RefusedError as error:
                if error.status in FORBIDDEN:
                    self.refused = error
                    self._changed.set()
                    return
                self._lost(error)
            except (ClusterError, KeyError, TypeError, AttributeError) as error:
                self._lost(error)

    def _lost(self, error: Exception) -> None:
        logger.debug("watch of %s is lost: %s", self._path, error)
        self._ended.wait(PAUSE_S)

    def _follow(self, version: str) -> None:
        path = f"{self._path}&watch=1&resourceVersion={version}&timeoutSeconds={WATCH_S}"
        for event in self._cluster.lines(path, SILENCE_S):
            if self._ended.is_set():
                return
            if event["type"] == "ERROR":  # 410: the version is forgotten
                raise ClusterError(str(event["object"].get("message")))
            if event["type"] != "BOOKMARK":
                self._take(event["type"], event["object"])

    def _take(self, kind: str, found: Tree) -> None:
        name = found["metadata"]["name"]
        if kind == "DELETED":
            self.objects.pop(name, None)
            self.gone[name] = found
        else:
            self.objects[name] = found
        self._changed.set()
