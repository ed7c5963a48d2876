"""The engines' promises, kept by vLLM on its CPU build; then what is particular to it."""

import shutil

import pytest

from judgeloop.models.references import BUILTIN, describe_base
from judgeloop.schema.engine_section import VllmSection
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.records import ModelRef
from judgeloop.schema.sampling import Sampling
from tests import tiny_random
from tests.contract.engine_contract import ModelContract
from tests.engine_rig import GREEDY, WARM, ask, generate, mixed, texts

pytestmark = pytest.mark.timeout(500)  # the first start imports vLLM: 10 s, more where others work

TINY = {"max_prompt_tokens": 512, "batch_size": 256}


class TestVllm(ModelContract):
    kind = "vllm"


def test_many_requests_of_many_pictures_are_answered_in_order(start, pictures):
    requests = [r for i in range(8) for r in mixed(pictures[i % 4 :] + pictures[: i % 4])]
    responses = generate(start("vllm"), requests, GREEDY)
    assert [(r.id, len(r.samples)) for r in responses] == [(r.id, r.n) for r in requests]


def test_a_prompt_with_more_images_than_allowed_fails_alone(start, pictures):
    failed, other = generate(
        start("vllm"), [ask(0, pictures, images=tuple(pictures) * 2), ask(1, pictures)], WARM
    )
    assert "At most 4 image" in failed.error
    assert len(texts(other)) == 4


def test_greedy_texts_are_those_of_transformers(start, pictures):
    """On the trained base: of random weights, the best two words may be closer than rounding."""
    base = describe_base(BUILTIN, None)
    texts_to_ask = ["caption", "count all", "judge: caption A red square north B blue circle south"]
    requests = [
        ask(i, pictures, text, n=1, images_last=i % 2 == 1)
        for i, text in enumerate(texts_to_ask * len(pictures))
    ]
    sampling = Sampling(temperature=0.0, max_tokens=20)
    theirs = generate(start("transformers", base, **TINY), requests, sampling)
    assert generate(start("vllm", base, **TINY), requests, sampling) == theirs
    assert len({texts(response)[0] for response in theirs}) > 3


@pytest.mark.parametrize(
    "sampling", [WARM, Sampling(temperature=0.7, top_p=1.0, top_k=0, max_tokens=9)]
)
def test_tokens_are_those_of_a_bare_chat_with_the_same_seeds(start, pictures, sampling):
    """So many that not all prompts fit into one step."""
    engine = start("vllm", describe_base(BUILTIN, None), **TINY)
    requests = [ask(i, pictures, "judge: caption A red B blue", n=1 + i % 4) for i in range(120)]
    assert engine.tokens(requests, sampling) == engine.bare_chat(requests, sampling)


def test_a_structured_judgement_ends_with_a_verdict(start, pictures):
    base = describe_base(BUILTIN, None)
    hot = Sampling(temperature=2.0, top_k=0, top_p=1.0, max_tokens=40)
    judged = [
        ask(i, pictures, "judge: caption A red square B blue cross", purpose="judge",
            verdict_endings=(" A", " B"))
        for i in range(4)
    ]  # fmt: skip
    section = VllmSection(structured_verdict=True)
    free = generate(start("vllm", base, **TINY), judged, hot)
    bound = generate(start("vllm", base, **TINY, vllm=section), [*judged, ask(9, pictures)], hot)
    assert not all(text.endswith((" A", " B")) for r in free for text in texts(r))
    whole = [s.text for r in bound[:4] for s in r.samples if s.finish_reason == "stop"]
    assert whole
    assert all(text.endswith((" A", " B")) for text in whole)
    assert not all(text.endswith((" A", " B")) for text in texts(bound[4]))


@pytest.fixture(scope="module")
def vision_adapter(idefics3, tmp_path_factory):
    """An adapter that touches the vision tower as well."""
    import peft
    import transformers

    folder = tmp_path_factory.mktemp("vision")
    base = transformers.AutoModelForImageTextToText.from_pretrained(idefics3)
    config = peft.LoraConfig(r=4, init_lora_weights=False, target_modules=r".*\.(q_proj|v_proj)")
    peft.get_peft_model(base, config).save_pretrained(folder)
    return folder


def test_an_adapter_that_touches_the_vision_tower_is_refused(start, idefics3, vision_adapter):
    with pytest.raises(EngineError, match=r"outside the language layers, such as .*vision_model"):
        start("vllm", ModelRef(base=str(idefics3), adapter=str(vision_adapter)), here=True)


def test_a_model_that_does_not_fit_says_so_with_numbers(start, idefics3):
    with pytest.raises(EngineError, match=r"does not fit: .* billion weights.*GiB are free"):
        start(
            "vllm",
            describe_base(str(idefics3), None),
            here=True,
            vllm=VllmSection(cpu_cache_mib=2**30),
        )


def test_llama_3_2_vision_is_refused_before_it_is_loaded(start, tmp_path):
    folder = tiny_random.save_mllama(tmp_path)
    with pytest.raises(ConfigError, match="transformers"):
        start("vllm", describe_base(str(folder), None), here=True)


def test_a_model_without_weights_is_named(start, idefics3, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(idefics3, folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(EngineError, match=r"cannot load model .*broken: it has no safetensors"):
        start("vllm", describe_base(str(folder), None), here=True)
