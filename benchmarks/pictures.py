"""Resident memory of the engines while they judge images of 12 megapixels.

`python -m benchmarks.pictures` judges pairs on different images with each engine, in a process of
its own, and prints the peak of its resident memory (`VmHWM`) above that of the running engine
before the first image.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import TinyPrompts
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.engine_start import open_engine
from judgeloop.runtime.inference import infer_shards
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import Kind, Labelled, Manifest, Pair, Question
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary

WIDTH, HEIGHT = 4000, 3000
SLOTS = {"transformers": 16, "vllm": 256}
SHARD = 200
SAMPLING = Sampling(temperature=0.0, max_tokens=8)


def make_pictures(folder: Path, count: int) -> None:
    """Fills the store in a folder with pictures, and lists their hashes in a file there."""
    library = ImageLibrary(FolderStore(folder / "store"), max_pixels=WIDTH * HEIGHT)
    names = []
    for number in range(count):
        picture = Image.linear_gradient("L").resize((WIDTH, HEIGHT)).convert("RGB")
        picture.paste((number % 256, number // 256, 99), (0, 0, WIDTH // 2, HEIGHT // 2))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG")
        names.append(library.add(buffer.getvalue()))
    (folder / "names").write_text("\n".join(names))


def judge_pictures(folder: Path, kind: str, count: int) -> tuple[float, float]:
    """Judges a pair of each picture in this process.

    Returns:
        The peak of resident memory before and after, in MB.
    """
    store = FolderStore(folder / "store")
    library = ImageLibrary(store, max_pixels=WIDTH * HEIGHT)
    section = EngineSection(
        kind=kind,  # type: ignore[arg-type]
        batch_size=SLOTS[kind],
        dtype="float32",
        max_prompt_tokens=900,
    )
    engine = open_engine(section, describe_base(BUILTIN, None), library, store)
    before = _peak_mb()
    names = (folder / "names").read_text().split()[:count]
    pairs = [
        Pair(
            id=f"p{number}",
            question=Question(id=name, images=(name,), text="what is it?", kind=Kind.CAPTION),
            chosen="red",
            rejected="blue",
            origin=Labelled(category="x"),
        )
        for number, name in enumerate(names)
    ]
    batches = [pairs[start : start + SHARD] for start in range(0, count, SHARD)]
    header = Manifest(stage="benchmark", stage_version=1, key=f"{kind}-{count}")
    prompts = TinyPrompts()
    infer_shards(
        engine, store, header, batches, lambda pair: judge_pair(prompts, pair, SAMPLING, 1, 0), 3
    )
    after = _peak_mb()
    engine.close()
    return before, after


def _peak_mb() -> float:
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) / 1024


def main() -> None:
    """Runs each engine on each number of pictures and prints what it took."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--one", nargs=3, help="folder, engine and count: for a child")
    options = parser.parse_args()
    if options.one:
        folder, kind, count = options.one
        print(*judge_pictures(Path(folder), kind, int(count)))
        return
    with tempfile.TemporaryDirectory() as name:
        make_pictures(Path(name), max(options.counts))
        print(
            f"pictures of {WIDTH * HEIGHT / 1e6:.0f} megapixels, {WIDTH * HEIGHT * 3 / 1e6:.0f} MB"
        )
        for kind, slots in SLOTS.items():
            for count in options.counts:
                command = [sys.executable, "-m", "benchmarks.pictures", "--one", name, kind]
                made = subprocess.run(
                    [*command, str(count)], check=True, stdout=subprocess.PIPE, text=True
                )
                before, after = map(float, made.stdout.split()[-2:])
                print(
                    f"{kind:<13} {slots:>4} slots {count:>5} pictures: {after - before:7.0f} MB "
                    f"above the {before:.0f} MB of the engine",
                    flush=True,
                )


if __name__ == "__main__":
    main()
