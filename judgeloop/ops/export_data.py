"""Writes a loop's data as data sets that TRL takes: preferences, or conversations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from judgeloop.runtime.ledger import Ledger
from judgeloop.schema.errors import ConfigError, DataError
from judgeloop.schema.records import Example, Pair
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import read_records

What = Literal["pairs", "examples"]
_STAGE = {"pairs": "synthesize", "examples": "filter"}


def export_data(ledger: Ledger, what: What, out: Path) -> dict[str, int]:
    """Writes a folder that `datasets.load_dataset` reads: `metadata.jsonl` with images beside it.

    Args:
        ledger: The ledger of the loop.
        what: `pairs`: the synthetic pairs, in TRL's preference form (`prompt`, `chosen`,
            `rejected`). `examples`: the kept judgements, in its conversation form (`messages`).
        out: A new or empty folder.

    Returns:
        The counts of rows and images.

    Raises:
        ConfigError: The folder is not empty.
        DataError: The loop has made none yet.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out {out}: is not an empty folder; nothing is overwritten")
    (out / "images").mkdir(parents=True)
    library = ImageLibrary(ledger.store, 10**8)
    written: set[str] = set()
    rows = 0
    with (out / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for images, row in _rows(ledger, what):
            names = [f"images/{name}.png" for name in images]
            for name, path in zip(images, names, strict=True):
                if name not in written:
                    written.add(name)
                    library.open(name).save(out / path)
            file.write(json.dumps({"images": names, **row}, ensure_ascii=False) + "\n")
            rows += 1
    if not rows:
        raise DataError(f"loop {ledger.loop_id} has made no {what} yet")
    return {"rows": rows, "images": len(written)}


def _rows(ledger: Ledger, what: What) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    manifests = ledger.manifests(_STAGE[what])
    for iteration in sorted(manifests):
        for manifest in manifests[iteration]:
            if what == "pairs":
                for pair in read_records(ledger.store, manifest, Pair):
                    yield pair.question.images, _preference(pair, iteration)
            else:
                for example in read_records(ledger.store, manifest, Example):
                    yield example.images, _conversation(example, iteration)


def _preference(pair: Pair, iteration: int) -> dict[str, Any]:
    asked = [{"type": "image"} for _ in pair.question.images]
    prompt = [{"role": "user", "content": [*asked, _text(pair.question.text)]}]
    chosen, rejected = (
        [{"role": "assistant", "content": [_text(answer)]}]
        for answer in (pair.chosen, pair.rejected)
    )
    return {"id": pair.id, "iteration": iteration, "prompt": prompt, "chosen": chosen,
            "rejected": rejected}  # fmt: skip


def _conversation(example: Example, iteration: int) -> dict[str, Any]:
    asked = [{"type": "image"} for _ in example.images]
    messages = [
        {"role": "user", "content": [*asked, _text(example.prompt)]},
        {"role": "assistant", "content": [_text(example.completion)]},
    ]
    return {"id": example.id, "iteration": iteration, "messages": messages}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
