"""Loads a judge to be served: its model, an engine and images in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from judgeloop.engines.fit import check_fit, choose_engine
from judgeloop.models.judge import find_judge
from judgeloop.runtime.engine_start import open_engine
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import ModelRef
from judgeloop.serve.dispatcher import Dispatcher
from judgeloop.serve.images import RequestImages
from judgeloop.serve.protocol import served_names
from judgeloop.store import FolderStore
from judgeloop.store.scratch import scratch_folder

_DRIVER = Path("/proc/driver/nvidia/version")


@contextmanager
def open_dispatcher(name: str, engine: str | None) -> Iterator[tuple[Dispatcher, tuple[str, ...]]]:
    """Loads a judge for a block; yields its dispatcher and the names under which it is served.

    Args:
        name: As for `judgeloop.Judge.load`.
        engine: `transformers` or `vllm`; None takes vLLM where it can run the judge.

    Raises:
        ConfigError, EngineError, RegistryError: As for `judgeloop.Judge.load`.
    """
    with scratch_folder("serve") as scratch:
        folder = Path(scratch)
        found = find_judge(name, folder / "version", None)
        settings = choose_engine(engine or best_engine(found.model), found.model.base)
        store = FolderStore(folder / "store")
        images = RequestImages(store, found.max_pixels, found.background)
        opened = open_engine(settings, found.model, images, store)
        try:
            yield Dispatcher(opened, images), served_names(found.model)
        finally:
            opened.close()


def best_engine(model: ModelRef) -> str:
    """Returns `vllm` where there is a GPU, vLLM, and a model that it runs; else `transformers`."""
    if not _DRIVER.exists() or find_spec("vllm") is None:
        return "transformers"
    try:
        check_fit("vllm", model)
    except ConfigError:
        return "transformers"
    return "vllm"
