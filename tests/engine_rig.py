"""Engines to test, by kind, on a store with pictures, a model of random weights and an adapter."""

import io
import shutil
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from judgeloop import engines
from judgeloop.models.references import describe_base
from judgeloop.runtime.engine_start import open_engine
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.records import ModelRef
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.store import FolderStore, upload_folder
from judgeloop.store.images import ImageLibrary
from tests import tiny_random
from tests.engine_process import EngineProcess, RemoteEngine

WARM = Sampling(temperature=1.0, top_p=0.95, top_k=40, max_tokens=6)
GREEDY = Sampling(temperature=0.0, max_tokens=6)
MISSING = "0" * 64
MAX_PIXELS = 10_000


@pytest.fixture(scope="session")
def engine_store(tmp_path_factory):
    return FolderStore(tmp_path_factory.mktemp("engine-store"))


@pytest.fixture(scope="session")
def engine_library(engine_store):
    return ImageLibrary(engine_store, max_pixels=MAX_PIXELS)


@pytest.fixture(scope="session")
def pictures(engine_library):
    """Hashes of four pictures, not all of one shape."""
    colours = [(200, 30, 30), (30, 180, 40), (40, 60, 210), (220, 210, 60)]
    sizes = [(48, 48), (48, 48), (32, 48), (48, 16)]
    return [engine_library.add(png(*look)) for look in zip(colours, sizes, strict=True)]


def png(colour, size):
    picture = Image.new("RGB", size, "white")
    picture.paste(colour, (6, 6, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def idefics3(tmp_path_factory):
    return tiny_random.save_idefics3(tmp_path_factory.mktemp("idefics3"))


@pytest.fixture(scope="session")
def vllm_process(engine_store):
    process = EngineProcess(Path(engine_store.uri), MAX_PIXELS)
    yield process
    process.end()


@pytest.fixture(scope="session")
def start(idefics3, engine_library, engine_store, request):
    """Opens an engine: `start(kind, batch_size=..., ...)`; vLLM in the one process for it.

    What is to be refused before vLLM is even imported is opened `here`.
    """

    def open_kind(kind, model=None, here=False, **settings):
        base = "scripted:answer_skill=0.5" if kind == "scripted" else str(idefics3)
        section = EngineSection(
            kind=kind, **{"batch_size": 5, "max_prompt_tokens": 200, "dtype": "float32"} | settings
        )
        model = model or describe_base(base, None)
        if kind == "vllm" and not here:
            return RemoteEngine(request.getfixturevalue("vllm_process"), section, model)
        return open_engine(section, model, engine_library, engine_store)

    return open_kind


@pytest.fixture(scope="class")
def engine(request, start):
    """The engine of a class of tests, which names its `kind`."""
    engine = start(request.cls.kind)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def adapter(idefics3, tmp_path_factory):
    """A PEFT adapter of random weights, and the base with it merged in."""
    import peft
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("adapters")
    base = transformers.AutoModelForImageTextToText.from_pretrained(idefics3)
    torch.manual_seed(1)
    modules = r".*text_model.*\.(q_proj|v_proj|down_proj)"
    adapted = peft.get_peft_model(
        base, peft.LoraConfig(r=4, init_lora_weights=False, target_modules=modules)
    )
    adapted.save_pretrained(folder / "adapter")
    shutil.copytree(idefics3, folder / "merged")
    adapted.merge_and_unload().save_pretrained(folder / "merged")
    return folder


@pytest.fixture(scope="session")
def judge(idefics3, adapter, engine_store):
    """The base with its adapter, which lies in the store."""
    upload_folder(engine_store, adapter / "adapter", "train/adapter")
    return ModelRef(base=str(idefics3), adapter="train/adapter")


@pytest.fixture(scope="session")
def merged(adapter):
    """A base that is the judge, its adapter merged in."""
    return describe_base(str(adapter / "merged"), None)


def ask(number, pictures, text="colour of the square", **changes):
    fields = {
        "id": f"q{number}",
        "text": text,
        "purpose": "answer",
        "variables": {"question": text, "kind": "short_phrase", "choices": ""},
        "images": (pictures[number % len(pictures)],),
        "sampling": WARM,
        "seed": 1024 * number,
        "n": 4,
    }
    return Request(**fields | changes)


def generate(engine, requests, sampling):
    """The answers to requests that are all sampled in one way."""
    asked = [msgspec.structs.replace(request, sampling=sampling) for request in requests]
    return engines.generate(engine, asked)


def texts(response):
    assert response.error is None
    return [sample.text for sample in response.samples]


def mixed(pictures):
    """Requests of different lengths and numbers of samples."""
    long = "place of the square: a north b south c west"
    return [ask(i, pictures, long if i % 2 else "count all", n=1 + i % 4) for i in range(7)]


def judged(pictures):
    """Judgements to ask for, their prompts longer than a block of vLLM's prefix cache."""
    requests = []
    for i in range(8):
        question = f"colour of the square {'north south ' * 70}{i % 3}"
        shown = {"question": question, "answer_a": "red", "answer_b": "blue"}
        changes = {"purpose": "judge", "variables": shown, "verdict_endings": (" A", " B")}
        requests.append(ask(i, pictures, f"judge: {question} A red B blue", **changes))
    return requests
