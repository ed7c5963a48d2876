"""Measures the engines: overhead over bare vLLM, other engines, prefix cache.

`python -m benchmarks.engines` prints all figures of one run, side by side on the tiny base, whose
own cost per item is so small that any overhead is visible. Repeats alternate, and the median
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from judgeloop.engines import Engine, generate
from judgeloop.engines.vllm import VllmEngine
from judgeloop.method.judging.orders import judge_request, shown_answers
from judgeloop.method.prompts import TinyPrompts
from judgeloop.models.fetch import fetch_model
from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.runtime.engine_start import open_engine
from judgeloop.runtime.redaction import hide_secrets
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import Kind, Labelled, Order, Pair, Question
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.tiny.dataset import write_gold

SAMPLING = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=20)
BATCH = 64
LONG = 12
"""Repetitions of a text that make a prompt longer than a block of the prefix cache."""


def judge_requests(pairs: Sequence[Pair]) -> list[Request]:
    """Asks for both orders of each pair."""
    prompts = TinyPrompts()
    return [
        judge_request(
            prompts,
            f"{pair.id}/{order}",
            pair.question,
            shown_answers(pair, order),
            SAMPLING,
            1,
            1024 * i,
        )
        for i, pair in enumerate(pairs)
        for order in Order
    ]


def bare_prompts(requests: Sequence[Request], images: ImageLibrary) -> list[dict[str, Any]]:
    """The prompts of `LLM.generate`, with decoded images and rendered texts."""
    return [
        {
            "prompt": f"<|user|><image>{request.text}<|assistant|>",
            "multi_modal_data": {"image": [images.open(name) for name in request.images]},
        }
        for request in requests
    ]


def bare_parameters(requests: Sequence[Request]) -> list[Any]:
    """The sampling parameters of `LLM.generate` for the same tokens."""
    from vllm import SamplingParams

    return [
        SamplingParams(
            n=request.n, seed=request.seed, temperature=SAMPLING.temperature, max_tokens=20
        )
        for request in requests
    ]


def seconds(work: Callable[[], object]) -> float:
    """Returns the CPU time of a call in seconds, of all threads, without other processes' work.

    With one thread for the model, that is its time on an idle machine, or a little more.
    """
    started = time.process_time()
    work()
    return time.process_time() - started


def overhead(ours: VllmEngine, images: ImageLibrary, pairs: Sequence[Pair], repeats: int) -> None:
    """Prints milliseconds per item: bare vLLM, our engine, and the difference."""
    requests = judge_requests(pairs)
    llm = ours._started.llm
    prompts, parameters = bare_prompts(requests, images), bare_parameters(requests)

    def reset() -> None:
        llm.reset_mm_cache()
        llm.reset_prefix_cache()

    times: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(repeats + 1):
        reset()
        bare = seconds(lambda: llm.generate(prompts, parameters, use_tqdm=False))
        reset()
        made = seconds(lambda: generate(ours, requests))
        times["bare"].append(bare * 1000 / len(requests))
        times["ours"].append(made * 1000 / len(requests))
    bare_ms, ours_ms = (statistics.median(times[name][1:]) for name in ("bare", "ours"))
    difference = ours_ms - bare_ms
    print(f"{len(requests)} items, batch {BATCH}, median of {repeats} turns, ms of CPU time each")
    print(f"bare LLM.generate, images decoded before   {bare_ms:8.2f}")
    print(f"our engine, images decoded by it           {ours_ms:8.2f}")
    print(f"overhead                                   {difference:8.2f}")
    for model_ms in (bare_ms, 100.0, 1000.0):
        share = difference / (model_ms + difference)
        print(f"  its share where the model takes {model_ms:7.1f} ms per item: {share:7.2%}")


def one_at_a_time(engine: Engine, pairs: Sequence[Pair], name: str) -> None:
    """Prints milliseconds per item if each request waits for the previous one."""
    requests = judge_requests(pairs)
    generate(engine, requests[:2])
    took = seconds(lambda: [generate(engine, [request]) for request in requests])
    print(f"{name:<42} {took * 1000 / len(requests):8.2f}")


def prefix_hits(ours: VllmEngine, images: ImageLibrary, pairs: Sequence[Pair]) -> None:
    """Prints the share of prompt tokens in the cache, for two orders of a prompt's parts."""
    from vllm import SamplingParams

    llm = ours._started.llm
    print(f"prefix cache, both orders of {len(pairs)} pairs, blocks of 128 tokens, long questions:")
    for name in ("image, question, answers", "answers, question, image"):
        prompts = []
        for pair in pairs:
            words = pair.question.text.split()
            question = " ".join(words * (LONG * 12 // len(words) + 1))
            for order in Order:
                answers = "".join(f"{answer} " * LONG for answer in shown_answers(pair, order))
                image = [images.open(pair.question.images[0])]
                text = f"<image>{question} {answers}"
                if name.startswith("answers"):
                    text = f"{answers}{question}<image>"
                prompts.append(
                    {
                        "prompt": f"<|user|>{text}<|assistant|>",
                        "multi_modal_data": {"image": image},
                    }
                )
        llm.reset_prefix_cache()
        outputs = llm.generate(prompts, SamplingParams(temperature=0, max_tokens=1), use_tqdm=False)
        cached = sum(output.num_cached_tokens or 0 for output in outputs)
        total = sum(len(output.prompt_token_ids) for output in outputs)
        print(f"  {name:<26} {cached / total:7.1%} of {total / len(outputs):.0f} tokens a prompt")


def main() -> None:
    """Runs all measurements and prints them."""
    hide_secrets("%(message)s", "WARNING")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        store = FolderStore(folder / "store")
        images = ImageLibrary(store, max_pixels=10_000)
        pairs = gold_pairs(folder, images, options.pairs)
        model = describe_base(BUILTIN, None)
        fields: dict[str, Any] = {"dtype": "float32", "max_prompt_tokens": 900}
        base = EngineSection(kind="transformers", batch_size=BATCH, **fields)
        slow = open_engine(base, model, images, store)
        requests = judge_requests(pairs)
        generate(slow, requests[:BATCH])
        took = seconds(lambda: generate(slow, requests))
        vllm = VllmEngine(
            EngineSection(kind="vllm", batch_size=BATCH, **fields),
            fetch_model(model, store),
            images,
        )
        overhead(vllm, images, pairs, options.repeats)
        print(
            f"{'Transformers engine, batch ' + str(BATCH):<42} {took * 1000 / len(requests):8.2f}"
        )
        one_at_a_time(slow, pairs[:16], "Transformers engine, one request at a time")
        one_at_a_time(vllm, pairs[:16], "vLLM engine, one request at a time")
        prefix_hits(vllm, images, pairs[:32])
        vllm.close()


def gold_pairs(folder: Path, images: ImageLibrary, count: int) -> list[Pair]:
    """Makes gold pairs of the tiny world, with their images in the library."""
    file = write_gold(folder, count, seed=0)
    pairs = []
    for row in map(json.loads, file.read_text().splitlines()):
        hashes = tuple(images.add((folder / name).read_bytes()) for name in row["images"])
        question = Question(
            id=row["id"], images=hashes, text=row["question"], kind=Kind(row["kind"])
        )
        pairs.append(
            Pair(
                id=row["id"],
                question=question,
                chosen=row["chosen"],
                rejected=row["rejected"],
                origin=Labelled(category=row["category"]),
            )
        )
    return pairs


if __name__ == "__main__":
    main()
