"""The endpoint engine against a real vLLM API server, beside the Transformers engine."""

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from judgeloop.engines import Engine, Request, Response, Sampling, open_engine
from judgeloop.engines.settings import EndpointSection, EngineSection
from judgeloop.errors import EngineError
from judgeloop.images import ImageLibrary
from judgeloop.keys import content_key
from judgeloop.models import describe_base
from judgeloop.records import ModelRef
from judgeloop.store import FolderStore, folder_checksums
from tests import tiny_random
from tests.vllm_server import serve_vllm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
WARM = Sampling(temperature=1.0, top_p=0.95, top_k=40, max_tokens=6)
GREEDY = Sampling(temperature=0.0, max_tokens=6)
COLOURS = ("red", "green", "blue", "yellow")


class World:
    """A base, an adapter on it and the two merged, all of random weights; and four pictures."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder / "store")
        self.library = ImageLibrary(self.store, max_pixels=10_000)
        self.pictures = [self._picture(colour) for colour in COLOURS]
        self.base = describe_base(str(tiny_random.save_idefics3(folder / "base")), None)
        self.adapter, merged = _adapt(Path(self.base.base), folder)
        self.merged = describe_base(str(merged), None)
        self.judge = ModelRef(
            base=self.base.base,
            adapter=str(self.adapter),
            adapter_sha256=content_key(folder_checksums(self.adapter)),
        )
        self.served_as = f"adapter-{self.judge.adapter_sha256[:16]}"

    def _picture(self, colour: str) -> str:
        picture, buffer = Image.new("RGB", (48, 48), "white"), io.BytesIO()
        picture.paste(colour, (6, 6, 30, 30))
        picture.save(buffer, "PNG")
        return self.library.add(buffer.getvalue())

    def ask(self, number: int, **changes: Any) -> Request:
        fields = {
            "id": f"q{number}", "purpose": "answer", "seed": 1024 * number, "n": 3,
            "text": "colour of the square" if number % 2 else "count all",
            "images": (self.pictures[number % len(self.pictures)],),
        }  # fmt: skip
        return Request(**fields | changes)


def _adapt(base: Path, folder: Path) -> tuple[Path, Path]:
    import peft
    import torch
    import transformers

    network = transformers.AutoModelForImageTextToText.from_pretrained(base)
    torch.manual_seed(1)
    modules = r".*text_model.*\.(q_proj|v_proj|down_proj)"
    config = peft.LoraConfig(r=4, init_lora_weights=False, target_modules=modules)
    adapted = peft.get_peft_model(network, config)
    adapted.save_pretrained(folder / "adapter")
    shutil.copytree(base, folder / "merged")
    adapted.merge_and_unload().save_pretrained(folder / "merged")
    return folder / "adapter", folder / "merged"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def url(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("vllm") / "log.txt"
    with serve_vllm(Path(world.base.base), {world.served_as: world.adapter}, log) as address:
        yield address


Start = Callable[[ModelRef], Engine]


@pytest.fixture(scope="module")
def start(world: World, url: str) -> Iterator[Start]:
    opened: list[Engine] = []

    def open_endpoint(model: ModelRef) -> Engine:
        endpoint = EndpointSection(url=url, model="base", retries=1)
        section = EngineSection(
            kind="openai", batch_size=5, max_prompt_tokens=60, endpoint=endpoint
        )
        opened.append(open_engine(section, model, world.library, world.store))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield open_endpoint
        for engine in opened:
            engine.close()


@pytest.fixture(scope="module")
def engine(start: Start, world: World) -> Engine:
    return start(world.base)


def transformers_texts(
    world: World, model: ModelRef, requests: Sequence[Request]
) -> list[list[str]]:
    section = EngineSection(kind="transformers", dtype="float32")
    here = open_engine(section, model, world.library, world.store)
    made = [texts(response) for response in here.generate(requests, GREEDY)]
    here.close()
    return made


def texts(response: Response) -> list[str]:
    assert response.error is None
    # The bytes of a character that was cut off are shown by one engine and not by the other.
    return [sample.text.rstrip("\N{REPLACEMENT CHARACTER}") for sample in response.samples]


def test_greedy_texts_and_tokens_are_those_of_transformers(engine: Engine, world: World) -> None:
    requests = [world.ask(i) for i in range(6)]
    made = [texts(response) for response in engine.generate(requests, GREEDY)]
    assert made == transformers_texts(world, world.base, requests)
    assert len({text for row in made for text in row}) > 1


def test_a_request_gets_the_same_texts_again_alone_and_in_any_batch(
    engine: Engine, world: World
) -> None:
    requests = [world.ask(i, n=1 + i % 3) for i in range(7)]
    together = engine.generate(requests, WARM)
    assert [len(response.samples) for response in together] == [request.n for request in requests]
    assert engine.generate(requests[::-1], WARM)[::-1] == together
    assert [engine.generate([request], WARM)[0] for request in requests] == together


def test_sample_i_is_the_first_sample_of_the_seed_plus_i_and_samples_differ(
    engine: Engine, world: World
) -> None:
    both = engine.generate([world.ask(0, seed=7, n=8), world.ask(0, seed=9, n=1)], WARM)
    assert both[0].samples[2] == both[1].samples[0]
    assert len(set(texts(both[0]))) > 1


def test_a_changed_picture_changes_its_own_request_alone(engine: Engine, world: World) -> None:
    before = [world.ask(i, images=(world.pictures[0],), n=6) for i in range(3)]
    after = [*before[:2], world.ask(2, images=(world.pictures[1],), n=6)]
    first, second = engine.generate(before, WARM), engine.generate(after, WARM)
    assert first[:2] == second[:2]
    assert texts(first[2]) != texts(second[2])


def test_the_order_of_pictures_counts_and_prompts_need_none(engine: Engine, world: World) -> None:
    one, two = world.pictures[:2]
    requests = [world.ask(i, images=p) for i, p in enumerate([(one, two), (two, one), ()])]
    made = [texts(response) for response in engine.generate(requests, GREEDY)]
    assert made == transformers_texts(world, world.base, requests)


def test_a_served_adapter_gives_the_texts_of_merged_weights(start: Start, world: World) -> None:
    requests = [world.ask(i) for i in range(6)]
    made = [texts(response) for response in start(world.judge).generate(requests, GREEDY)]
    assert made == transformers_texts(world, world.merged, requests)
    assert made != transformers_texts(world, world.base, requests)


def test_an_adapter_that_is_not_served_is_refused(start: Start, world: World) -> None:
    other = ModelRef(base="b", adapter="train/k/adapter-f", adapter_sha256="f" * 64)
    with pytest.raises(EngineError, match=rf"serves {world.served_as}, base, .*--lora-modules"):
        start(other)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"text": "red " * 100}, "the limit is 60"),
        ({"text": "red " * 1000}, "refuses the prompt.*maximum context length"),
        ({"images": ("0" * 64,)}, "0" * 64),
        ({"images": 3}, "refuses the prompt.*2 image"),
    ],
)
def test_a_request_that_cannot_be_answered_fails_alone(
    engine: Engine, world: World, bad: dict[str, Any], message: str
) -> None:
    images = {"images": (world.pictures[0],) * 3} if bad.get("images") == 3 else {}
    failed, other = engine.generate([world.ask(9, **bad | images), world.ask(1)], WARM)
    assert failed.samples == ()
    with pytest.raises(EngineError, match=message):
        raise EngineError(failed.error)
    assert other == engine.generate([world.ask(1)], WARM)[0]


def test_cut_off_texts_say_so_and_all_tokens_are_counted(engine: Engine, world: World) -> None:
    (response,) = engine.generate([world.ask(0, n=16)], WARM)
    assert {s.finish_reason for s in response.samples} == {"stop", "length"}
    assert all(s.tokens == 6 for s in response.samples if s.finish_reason == "length")
    assert response.usage.completion_tokens == sum(s.tokens for s in response.samples)
    assert response.usage.prompt_tokens % 16 == 0


def test_more_tokens_than_the_context_has_are_no_item_s_fault(engine: Engine, world: World) -> None:
    with pytest.raises(
        EngineError, match=r"a plain question with the same settings too.*max_model_len"
    ):
        engine.generate([world.ask(0)], Sampling(max_tokens=1000))
