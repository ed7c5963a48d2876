"""What is particular to the Transformers engine: families of models, precision, its sampling."""

import shutil

import msgspec
import pytest

from judgeloop.engines.checkpoint import Checkpoint
from judgeloop.models.references import describe_base
from judgeloop.schema.errors import EngineError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.sampling import Sampling
from tests import tiny_random
from tests.engine_rig import GREEDY, WARM, ask, generate, mixed, texts


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
            patch.setattr(
                "judgeloop.engines.transformers.load_checkpoint", lambda *_: Checkpoint(*loaded)
            )
            return *loaded, start("transformers")
    save = getattr(tiny_random, f"save_{request.param}")
    folder = save(tmp_path_factory.mktemp(request.param))
    network = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    return network, processor, start("transformers", describe_base(str(folder), None))


def plain_greedy(network, processor, request, library):
    """What `generate` makes of one request alone."""
    import torch

    images = [{"type": "image", "image": library.open(name)} for name in request.images]
    text = {"type": "text", "text": request.text}
    content = [text, *images] if request.images_last else [*images, text]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    with torch.inference_mode():
        made = network.generate(
            **inputs, max_new_tokens=GREEDY.max_tokens, do_sample=False, repetition_penalty=1.0
        )
    tokens = made[0, inputs["input_ids"].shape[1] :].tolist()
    if tokens[-1] in network.generation_config.eos_token_id:
        tokens.pop()
    return processor.decode(tokens, skip_special_tokens=True)


@pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning")  # in Mllama
def test_greedy_texts_are_those_of_plain_generation(network_and_engine, engine_library, pictures):
    network, processor, engine = network_and_engine
    requests = mixed(pictures)
    requests += [
        msgspec.structs.replace(request, id=f"{request.id} last", images_last=True)
        for request in requests
    ]
    expected = [plain_greedy(network, processor, request, engine_library) for request in requests]
    made = [texts(response) for response in generate(engine, requests, GREEDY)]
    assert made == [[text] * r.n for text, r in zip(expected, requests, strict=True)]
    assert len(set(expected)) > 1


@pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning")  # in Mllama
def test_every_family_samples_the_same_alone_and_in_a_batch(network_and_engine, pictures):
    *_, engine = network_and_engine
    requests = mixed(pictures)
    together = generate(engine, requests, WARM)
    assert together == [generate(engine, [request], WARM)[0] for request in requests]


def test_an_adapter_counts_in_bfloat16_too(start, idefics3, adapter, pictures):
    low = {"kind": "transformers", "dtype": "bfloat16"}
    adapted = ModelRef(base=str(idefics3), adapter=str(adapter / "adapter"))
    requests = mixed(pictures)
    made = generate(start(model=adapted, **low), requests, WARM)
    assert [len(r.samples) for r in made] == [r.n for r in requests]
    assert made != generate(start(**low), requests, WARM)


def test_in_bfloat16_the_base_beside_the_adapter_is_the_base_to_the_token(start, judge, pictures):
    low = {"kind": "transformers", "dtype": "bfloat16"}
    adapted = start(model=judge, **low)
    requests = mixed(pictures)
    for_base = [msgspec.structs.replace(request, use_adapter=False) for request in requests]
    made = generate(adapted, requests, WARM)
    beside = generate(adapted, [*for_base, *requests], WARM)
    assert beside == [*generate(start(**low), requests, WARM), *made]


def test_a_failure_while_the_base_is_asked_leaves_the_adapter_in_its_place(
    start, judge, pictures, monkeypatch
):
    import torch

    engine = start("transformers", judge)
    before = generate(engine, [ask(0, pictures)], WARM)

    def fail(**_):
        raise torch.OutOfMemoryError("tried to allocate 8 GiB")

    with monkeypatch.context() as patch:
        patch.setattr(engine._network, "generate", fail)
        with pytest.raises(EngineError, match="out of memory"):
            generate(engine, [ask(0, pictures, use_adapter=False)], WARM)
    assert generate(engine, [ask(0, pictures)], WARM) == before


def test_the_builtin_model_ends_its_answers(start, pictures):
    engine = start("transformers", describe_base("builtin:tiny-vlm", None))
    (response,) = generate(engine, [ask(0, pictures, "count all")], WARM)
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
        generate(engine, [ask(0, pictures)], WARM)


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
