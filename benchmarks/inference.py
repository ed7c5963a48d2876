"""Slot utilization: judgeloop's inference against one `LLM.generate` over all prompts of a stage.

`python -m benchmarks.inference` runs judging, open and closed synthesis on the tiny base
with 256 slots, in shards of 200 items that are stored in a folder. Answers have log-normal lengths,
truncated at a limit, and the same for both sides (`benchmarks.vllm_steps`).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.engines import bare_prompts, gold_pairs
from benchmarks.vllm_steps import LIMIT, Measured, Steps
from judgeloop.engines.vllm import VllmEngine
from judgeloop.method import steps as method
from judgeloop.method.judging.orders import judge_pair
from judgeloop.method.prompts import TinyPrompts
from judgeloop.method.synthesis.pairs import make_pair
from judgeloop.models.fetch import fetch_model
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.inference import Records, infer_shards
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.config import load_config
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.method_sections import SynthesisSection
from judgeloop.schema.records import Kind, Manifest, Pair
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary

SLOTS = 256
SHARD = 200
"""Items, the presets' `data.shard_size`."""
SAMPLING = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=LIMIT)
PICTURES = 64
STAGES = ("judging", "open synthesis", "closed synthesis")
HEADS = {
    "model": "model's  host's CPU, ms per request",
    "stand-in": "wall",
}
PRESET = Path(__file__).parents[1] / "pipelines" / "configs" / "tiny.yaml"


class Stage(NamedTuple):
    """A stage's inputs and steps."""

    name: str
    pairs: Sequence[Pair]
    steps: Callable[[Pair], method.Steps[Records]]


class Bench:
    """Runs stages on one vLLM, by our engine and bare.

    Args:
        folder: For shards.
        images: Of the stages' inputs.
        engine: Its vLLM serves both.
        steps: Measures that vLLM.
    """

    def __init__(
        self, folder: Path, images: ImageLibrary, engine: VllmEngine, steps: Steps
    ) -> None:
        self._folder = folder
        self._images = images
        self._engine = engine
        self.steps = steps
        self._keys = count()
        self.requests: list[Request] = []
        """Of the last run, in the order in which they were submitted."""
        submit = engine.submit

        def note(number: int, request: Request) -> None:
            self.requests.append(request)
            submit(number, request)

        engine.submit = note  # type: ignore[method-assign]

    def ours(self, stage: Stage, in_flight: int) -> Measured:
        """Runs a stage, shard by shard."""
        self._reset()
        self.requests.clear()
        pairs = stage.pairs
        batches = [pairs[start : start + SHARD] for start in range(0, len(pairs), SHARD)]
        header = Manifest(stage="benchmark", stage_version=1, key=str(next(self._keys)))
        store = FolderStore(self._folder)
        with self.steps.measured() as found:
            infer_shards(self._engine, store, header, batches, stage.steps, in_flight)
        return found[0]

    def bare(self) -> Measured:
        """Gives all prompts of the last run to one `LLM.generate`, with decoded images."""
        from vllm import SamplingParams

        self._reset()
        prompts = bare_prompts(self.requests, self._images)
        parameters = [
            SamplingParams(n=it.n, seed=it.seed, temperature=1.0, max_tokens=LIMIT)
            for it in self.requests
        ]
        with self.steps.measured() as found:
            self._engine._started.llm.generate(prompts, parameters, use_tqdm=False)
        return found[0]

    def _reset(self) -> None:
        llm = self._engine._started.llm
        llm.reset_mm_cache()
        llm.reset_prefix_cache()
        llm.llm_engine.reset_encoder_cache()


def stages(pairs: Sequence[Pair], items: int) -> list[Stage]:
    """The three kinds of work, on `items` items each; closed questions a quarter of that."""
    prompts, settings = TinyPrompts(), _synthesis()

    def named(kind: Kind, number: int) -> list[Pair]:
        chosen = []
        for index in range(number):
            pair = pairs[index % len(pairs)]
            question = msgspec.structs.replace(pair.question, id=f"q{index}", kind=kind)
            chosen.append(msgspec.structs.replace(pair, id=f"p{index}", question=question))
        return chosen

    def synthesize(pair: Pair) -> method.Steps[Records]:
        made = yield from make_pair(prompts, pair.question, settings, 0)
        return [made]

    return [
        Stage(
            STAGES[0],
            named(Kind.CAPTION, items),
            lambda pair: judge_pair(prompts, pair, SAMPLING, 1, 0),
        ),
        Stage(STAGES[1], named(Kind.CAPTION, items), synthesize),
        Stage(STAGES[2], named(Kind.NUMBER, items // 4), synthesize),
    ]


def _synthesis() -> SynthesisSection:
    settings = load_config(PRESET).synthesis
    return msgspec.structs.replace(settings, answer=SAMPLING, alter=SAMPLING, vote=SAMPLING)


def compare(bench: Bench, stage: Stage, in_flight: int, repeats: int) -> str:
    """Runs a stage alternately by our engine and bare; returns a row of the table."""
    turns = [(bench.ours(stage, in_flight), bench.bare()) for _ in range(repeats)]
    requests = len(bench.requests)

    def middle(of: Callable[[Measured, Measured], float]) -> float:
        return statistics.median(of(ours, bare) for ours, bare in turns)

    ours, bare = turns[-1]
    cells = [
        f"{stage.name:<17} {in_flight:>9} {requests:>9} {ours.steps:>6} {bare.steps:>6}",
        f"{ours.steps / bare.steps:>6.3f}",
    ]
    if bench.steps.stand_in:
        cells.append(f"{middle(lambda ours, bare: ours.wall_s / bare.wall_s):>6.3f}")
        return " ".join(cells)
    cells.append(f"{middle(lambda ours, bare: ours.model_s / bare.model_s):>6.3f}")
    for name, side in (("ours", 0), ("bare", 1)):
        host = statistics.median((turn[side].cpu_s - turn[side].model_s) for turn in turns)
        cells.append(f"{name} {host * 1000 / requests:>6.2f}")
    return " ".join(cells)


def main() -> None:
    """Runs all measurements and prints them."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=3200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--step", choices=HEADS, default="model")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = FolderStore(folder / "store")
        images = ImageLibrary(store, max_pixels=10_000)
        work = stages(gold_pairs(folder, images, PICTURES), options.items)
        fields: dict[str, Any] = {"dtype": "float32", "max_prompt_tokens": 900}
        section = EngineSection(kind="vllm", batch_size=SLOTS, **fields)
        engine = VllmEngine(section, fetch_model(describe_base(BUILTIN, None), store), images)
        tokenizer = engine._started.tokenizer
        (filler,) = tokenizer("red").input_ids
        steps = Steps(engine._started.llm, filler, tokenizer.eos_token_id)
        bench = Bench(folder, images, engine, steps)
        print(f"{SLOTS} slots, shards of {SHARD}, answers of up to {LIMIT} tokens")
        print(f"{'':<17} in flight  requests   ours   bare  ratio  {HEADS[options.step]}")
        steps.stand_in = options.step == "stand-in"
        for stage in work:
            for in_flight in options.in_flight if stage.name in options.stages else ():
                print(compare(bench, stage, in_flight, options.repeats), flush=True)
        engine.close()


if __name__ == "__main__":
    main()
