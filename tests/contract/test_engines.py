"""What every engine promises, on each engine; then what is particular to Transformers."""

import io
import shutil

import msgspec
import pytest
from PIL import Image

from judgeloop.config import EngineSection
from judgeloop.engines import Request, Sampling, open_engine
from judgeloop.errors import ConfigError, EngineError, StoreError
from judgeloop.images import ImageLibrary
from judgeloop.models import describe_base
from judgeloop.records import ModelRef
from judgeloop.store import FolderStore, upload_folder
from tests import tiny_random

WARM = Sampling(temperature=1.0, top_p=0.95, top_k=40, max_tokens=6)
GREEDY = Sampling(temperature=0.0, max_tokens=6)
MISSING = "0" * 64


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    return FolderStore(tmp_path_factory.mktemp("engine-store"))


@pytest.fixture(scope="session")
def library(store):
    return ImageLibrary(store, max_pixels=10_000)


@pytest.fixture(scope="session")
def pictures(library):
    """Hashes of four pictures, not all of one shape."""
    colours = [(200, 30, 30), (30, 180, 40), (40, 60, 210), (220, 210, 60)]
    sizes = [(48, 48), (48, 48), (32, 48), (48, 16)]
    return [library.add(_png(*look)) for look in zip(colours, sizes, strict=True)]


def _png(colour, size):
    picture = Image.new("RGB", size, "white")
    picture.paste(colour, (6, 6, 30, 30))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def idefics3(tmp_path_factory):
    return tiny_random.save_idefics3(tmp_path_factory.mktemp("idefics3"))


@pytest.fixture(scope="session")
def start(idefics3, library, store):
    """Opens an engine: `start(kind, batch_size=..., ...)`."""

    def open_kind(kind, model=None, **settings):
        base = "scripted:answer_skill=0.5" if kind == "scripted" else str(idefics3)
        section = EngineSection(
            kind=kind, **{"batch_size": 5, "max_prompt_tokens": 60, "dtype": "float32"} | settings
        )
        return open_engine(section, model or describe_base(base, None), library, store)

    return open_kind


@pytest.fixture(scope="session", params=["scripted", "transformers"])
def engine(request, start):
    engine = start(request.param)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def torch_engine(start):
    return start("transformers")


def ask(number, pictures, text="colour of the square", **changes):
    fields = {
        "id": f"q{number}",
        "text": text,
        "purpose": "answer",
        "variables": {"question": text, "kind": "short_phrase", "choices": ""},
        "images": (pictures[number % len(pictures)],),
        "seed": 1024 * number,
        "n": 4,
    }
    return Request(**fields | changes)


def texts(response):
    assert response.error is None
    return [sample.text for sample in response.samples]


def mixed(pictures):
    """Requests of different lengths and numbers of samples."""
    long = "place of the square: a north b south c west"
    return [ask(i, pictures, long if i % 2 else "count all", n=1 + i % 4) for i in range(7)]


def test_each_request_gets_one_response_in_order_with_all_its_samples(engine, pictures):
    requests = mixed(pictures)
    responses = engine.generate(requests, WARM)
    assert [r.id for r in responses] == [r.id for r in requests]
    assert [len(r.samples) for r in responses] == [r.n for r in requests]


def test_no_request_gets_no_response(engine):
    assert engine.generate([], WARM) == []


def test_the_same_requests_get_the_same_responses_again(engine, pictures):
    requests = mixed(pictures)
    assert engine.generate(requests, WARM) == engine.generate(requests, WARM)


def test_a_request_gets_the_same_texts_alone_and_in_any_batch(engine, pictures):
    requests = mixed(pictures)
    together = engine.generate(requests, WARM)
    backwards = engine.generate(requests[::-1], WARM)[::-1]
    alone = [engine.generate([request], WARM)[0] for request in requests]
    assert together == backwards == alone


@pytest.mark.parametrize("kind", ["scripted", "transformers"])
def test_the_batch_size_changes_no_text(start, kind, pictures):
    requests = mixed(pictures)
    small, large = start(kind, batch_size=1), start(kind, batch_size=64)
    assert small.generate(requests, WARM) == large.generate(requests, WARM)


def test_sample_i_is_the_first_sample_of_the_seed_plus_i(engine, pictures):
    both = engine.generate([ask(0, pictures, seed=7), ask(0, pictures, seed=9, n=1)], WARM)
    assert both[0].samples[2] == both[1].samples[0]


def test_samples_differ_where_the_temperature_is_above_zero(engine, pictures):
    (response,) = engine.generate([ask(1, pictures, n=12)], WARM)
    assert len(set(texts(response))) > 1


def test_greedy_samples_are_copies_and_do_not_depend_on_the_seed(engine, pictures):
    first, second = engine.generate([ask(1, pictures), ask(1, pictures, seed=5, n=2)], GREEDY)
    assert len(first.samples) == 4
    assert len(second.samples) == 2
    assert len(set(texts(first) + texts(second))) == 1


def test_a_cut_off_text_says_so_and_tokens_count_the_end(engine, pictures):
    caption = {"question": "caption", "kind": "caption", "choices": ""}
    requests = [
        ask(0, pictures, n=12),
        ask(1, pictures, "caption", variables=caption, n=12),
    ]
    limit = msgspec.structs.replace(WARM, max_tokens=4)
    samples = [s for r in engine.generate(requests, limit) for s in r.samples]
    assert {s.finish_reason for s in samples} == {"stop", "length"}
    assert all(s.tokens == 4 for s in samples if s.finish_reason == "length")
    assert all(1 <= s.tokens <= 4 for s in samples)


def test_a_missing_image_fails_its_own_request_alone(engine, pictures):
    good = mixed(pictures)
    bad = ask(9, pictures, images=(MISSING,))
    *others, failed = engine.generate([*good, bad], WARM)
    assert failed.id == "q9"
    assert failed.samples == ()
    assert MISSING in failed.error
    assert others == engine.generate(good, WARM)


class Away(FolderStore):
    """A store whose server does not answer."""

    def read(self, key):
        raise StoreError(f"cannot read {key}: connection refused")


@pytest.mark.parametrize("kind", ["scripted", "transformers"])
def test_a_store_that_is_away_is_no_answer(kind, idefics3, tmp_path, store, pictures):
    away = Away(tmp_path)
    library = ImageLibrary(away, max_pixels=10_000)
    base = "scripted:" if kind == "scripted" else str(idefics3)
    section = EngineSection(kind=kind, dtype="float32")
    engine = open_engine(section, describe_base(base, None), library, store)
    with pytest.raises(StoreError, match="connection refused"):
        engine.generate([ask(0, pictures)], WARM)


def test_an_overlong_prompt_fails_its_own_request_alone(engine, pictures):
    bad = ask(9, pictures, "red " * 100)
    failed, other = engine.generate([bad, ask(1, pictures)], WARM)
    assert failed.id == "q9"
    assert "the limit is 60" in failed.error
    assert other == engine.generate([ask(1, pictures)], WARM)[0]


@pytest.mark.parametrize(
    ("kind", "base"), [("scripted", "builtin:tiny-vlm"), ("transformers", "scripted:")]
)
def test_an_engine_refuses_a_model_of_the_other_kind(start, kind, base):
    with pytest.raises(ConfigError, match="scripted"):
        start(kind, ModelRef(base=base))


def test_a_changed_picture_changes_the_texts_of_its_request_alone(torch_engine, pictures):
    before = [ask(i, pictures, images=(pictures[0],)) for i in range(3)]
    after = [*before[:2], ask(2, pictures, images=(pictures[1],))]
    first, second = torch_engine.generate(before, WARM), torch_engine.generate(after, WARM)
    assert first[:2] == second[:2]
    assert texts(first[2]) != texts(second[2])


def test_several_images_and_none_go_into_one_batch(torch_engine, pictures):
    requests = [
        ask(0, pictures, images=()),
        ask(1, pictures, images=(pictures[0], pictures[1])),
        ask(2, pictures, images=(pictures[1], pictures[0])),
        ask(3, pictures),
    ]
    together = torch_engine.generate(requests, WARM)
    assert together == [torch_engine.generate([request], WARM)[0] for request in requests]
    assert texts(together[1]) != texts(together[2])


def test_a_prompt_that_fakes_an_image_fails_alone(torch_engine, pictures):
    bad = ask(0, pictures, "colour of <image> here")
    failed, other = torch_engine.generate([bad, ask(1, pictures)], WARM)
    assert "refuses the prompt" in failed.error
    assert other == torch_engine.generate([ask(1, pictures)], WARM)[0]


@pytest.fixture(scope="session", params=["idefics3", "mllama", "qwen_vl"])
def network_and_engine(request, start, tmp_path_factory):
    """A model of each family, its processor, and the engine that runs it.

    Pictures are tokens in Idefics3, have an attention of their own in Mllama, and shift the
    positions of the text in Qwen-VL.
    """
    import transformers

    if request.param == "qwen_vl":
        loaded = tiny_random.make_qwen_vl()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("judgeloop.engines.transformers.load_checkpoint", lambda *_: loaded)
            return *loaded, start("transformers")
    save = getattr(tiny_random, f"save_{request.param}")
    folder = save(tmp_path_factory.mktemp(request.param))
    network = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    return network, processor, start("transformers", describe_base(str(folder), None))


def plain_greedy(network, processor, request, library):
    """What `generate` makes of one request alone."""
    import torch

    content = [{"type": "image", "image": library.open(name)} for name in request.images]
    content.append({"type": "text", "text": request.text})
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        made = network.generate(**inputs, max_new_tokens=GREEDY.max_tokens, do_sample=False)
    tokens = made[0, inputs["input_ids"].shape[1] :].tolist()
    if tokens[-1] in network.generation_config.eos_token_id:
        tokens.pop()
    return processor.decode(tokens, skip_special_tokens=True)


@pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning")  # in Mllama
def test_greedy_texts_are_those_of_plain_generation(network_and_engine, library, pictures):
    network, processor, engine = network_and_engine
    requests = mixed(pictures)
    expected = [plain_greedy(network, processor, request, library) for request in requests]
    made = [texts(response) for response in engine.generate(requests, GREEDY)]
    assert made == [[text] * r.n for text, r in zip(expected, requests, strict=True)]
    assert len(set(expected)) > 1


@pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning")  # in Mllama
def test_every_family_samples_the_same_alone_and_in_a_batch(network_and_engine, pictures):
    *_, engine = network_and_engine
    requests = mixed(pictures)
    together = engine.generate(requests, WARM)
    assert together == [engine.generate([request], WARM)[0] for request in requests]


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


def test_an_adapter_from_the_store_gives_the_texts_of_merged_weights(
    start, torch_engine, idefics3, adapter, store, pictures
):
    upload_folder(store, adapter / "adapter", "train/adapter")
    adapted = start("transformers", ModelRef(base=str(idefics3), adapter="train/adapter"))
    merged = start("transformers", describe_base(str(adapter / "merged"), None))
    requests = mixed(pictures)
    made = adapted.generate(requests, WARM)
    assert made == merged.generate(requests, WARM)
    assert made != torch_engine.generate(requests, WARM)


def test_an_adapter_counts_in_bfloat16_too(start, idefics3, adapter, pictures):
    low = {"kind": "transformers", "dtype": "bfloat16"}
    adapted = ModelRef(base=str(idefics3), adapter=str(adapter / "adapter"))
    requests = mixed(pictures)
    made = start(model=adapted, **low).generate(requests, WARM)
    assert [len(r.samples) for r in made] == [r.n for r in requests]
    assert made != start(**low).generate(requests, WARM)


def test_an_adapter_that_is_not_safetensors_is_refused(start, idefics3, adapter, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(adapter / "adapter", folder)
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(EngineError, match=r"no adapter_model\.safetensors"):
        start("transformers", ModelRef(base=str(idefics3), adapter=str(folder)))


def test_the_builtin_model_ends_its_answers(start, pictures):
    engine = start("transformers", describe_base("builtin:tiny-vlm", None))
    (response,) = engine.generate([ask(0, pictures, "count all")], WARM)
    assert {sample.finish_reason for sample in response.samples} == {"stop"}
    assert set(texts(response)) <= {"0", "1", "2"}


@pytest.mark.parametrize("lost", ["model.safetensors", "tokenizer.json"])
def test_an_incomplete_model_folder_is_named(start, idefics3, tmp_path, lost):
    folder = tmp_path / "broken"
    shutil.copytree(idefics3, folder)
    (folder / lost).unlink()
    with pytest.raises(EngineError, match=r"cannot load model .*broken"):
        start("transformers", describe_base(str(folder), None))


def test_a_lack_of_memory_says_what_to_make_smaller(start, pictures, monkeypatch):
    import torch

    engine = start("transformers")

    def fail(**_):
        raise torch.OutOfMemoryError("tried to allocate 8 GiB")

    monkeypatch.setattr(engine._network, "generate", fail)
    with pytest.raises(EngineError, match=r"4 samples of 1 prompts \(first q0\).*batch_size"):
        engine.generate([ask(0, pictures)], WARM)


def test_tokens_are_drawn_by_their_probabilities():
    import torch

    from judgeloop.engines.sampling import seeded_processors

    probabilities = torch.tensor([0.0, 0.5, 0.3, 0.0, 0.15, 0.05])
    rows = 4000
    sampling = Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=2)
    processors = seeded_processors(sampling, range(rows))
    for _ in range(sampling.max_tokens):
        scores = processors(None, probabilities.log().expand(rows, -1))
        drawn = scores.argmax(-1).bincount(minlength=6) / rows
        assert torch.allclose(drawn, probabilities, atol=0.03)
        assert drawn[0] == drawn[3] == 0


def test_top_k_and_top_p_leave_only_the_most_probable_tokens():
    import torch

    from judgeloop.engines.sampling import seeded_processors

    scores = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(500, -1)
    for sampling, kept in [
        (Sampling(temperature=1.0, top_k=3, top_p=1.0), {0, 1, 2}),
        (Sampling(temperature=1.0, top_k=0, top_p=0.75), {0, 1}),
        (Sampling(temperature=0.05, top_k=0, top_p=1.0), {0}),
    ]:
        drawn = seeded_processors(sampling, range(500))(None, scores).argmax(-1)
        assert set(drawn.tolist()) == kept
