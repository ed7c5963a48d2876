"""The presets of real models: engine and model go together, prompts and memory fit."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from judgeloop.models.references import base_type
from judgeloop.prompt_sets import load_prompts
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stages.resolve import resolve
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError
from judgeloop.schema.records import Kind, Question
from judgeloop.store import FolderStore
from judgeloop.store.images import decode_image
from pipelines.compile import compile_pipeline
from pipelines.profile import read_profile
from tests.conftest import REPOSITORY
from tests.image_files import saved

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FOLDER = REPOSITORY / "pipelines/configs"
QUESTION_TOKENS = 512
CHARACTERS_PER_TOKEN = 3  # fewer than English has: the budget is on the safe side


class Family(NamedTuple):
    """What the model's own `config.json` says, and its number of parameters."""

    model_type: str
    billions: float
    layers: int
    key_heads: int
    context: int
    factor: int | None
    """Edge, in pixels, of the square that becomes a token. None: Mllama sees a picture by attention
    of its own, and it is one token."""
    pixels: tuple[int, int] = (0, 0)
    """Bounds of the model's own processor, in `preprocessor_config.json`."""

    @property
    def cache_bytes(self) -> int:
        """Attention cache of one token in bfloat16: keys and values of 128 numbers a head."""
        return 2 * self.layers * self.key_heads * 128 * 2


FAMILIES = {
    "qwen2.5-vl-7b": Family("qwen2_5_vl", 8.3, 28, 4, 128_000, 28, (3136, 12_845_056)),
    "qwen3-vl-8b": Family("qwen3_vl", 8.8, 36, 8, 262_144, 32, (65_536, 16_777_216)),
    "paper": Family("mllama", 10.7, 40, 8, 131_072, None),
}
every = pytest.mark.parametrize("name", FAMILIES)


def preset(name: str, *changes: str) -> Config:
    return load_config(FOLDER / f"{name}.yaml", changes)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local cache of the hub that has the three models' configurations and nothing else."""
    for name, family in FAMILIES.items():
        model = tmp_path / "hub" / f"models--{preset(name).model.base.replace('/', '--')}"
        (model / "refs").mkdir(parents=True)
        (model / "refs" / "main").write_text(COMMIT)
        (model / "snapshots" / COMMIT).mkdir(parents=True)
        text = f'{{"model_type": "{family.model_type}"}}'
        (model / "snapshots" / COMMIT / "config.json").write_text(text)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@every
@pytest.mark.usefixtures("hub")
def test_the_preset_s_engine_can_run_its_model(name: str, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    model = resolve(preset(name), store, Ledger(store, "loop")).model
    assert model is not None
    assert model.revision == COMMIT
    assert base_type(model) == FAMILIES[name].model_type


@pytest.mark.usefixtures("hub")
def test_llama_3_2_vision_with_vllm_is_refused_with_the_reason(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    config = preset("paper", "engine.kind=vllm")
    with pytest.raises(ConfigError, match=r"up to 0\.10\.2 only.*transformers"):
        resolve(config, store, Ledger(store, "loop"))


SHAPES = {
    "photograph of 12 megapixels": (4032, 3024),
    "upright photograph of 48 megapixels": (6048, 8064),
    "full HD screen": (1920, 1080),
    "square": (1002, 1002),
    "page at 300 dpi": (2480, 3508),
    "panorama": (16_000, 2500),
    "strip": (9000, 60),
    "icon": (32, 32),
}


def image_tokens(size: tuple[int, int], config: Config, family: Family) -> int:
    """Tokens of an image by the model's own processor, after our limit."""
    if family.factor is None:
        return 1
    from transformers import Qwen2VLImageProcessorPil

    low, high = family.pixels
    processor = Qwen2VLImageProcessorPil(
        patch_size=family.factor // 2, merge_size=2, min_pixels=low, max_pixels=high
    )
    seen = decode_image(saved(Image.new("1", size), "PNG"), config.data.max_pixels)
    return int(processor.get_number_of_image_patches(seen.height, seen.width, {})) // 4


@every
@pytest.mark.parametrize("shape", SHAPES)
def test_two_full_answers_and_as_many_images_as_allowed_fit_into_a_judge_prompt(
    name: str, shape: str
) -> None:
    config, family = preset(name), FAMILIES[name]
    empty = Question(id="q", images=(), text="", kind=Kind.LONG_ANSWER)
    ours = len(load_prompts(config.prompts).judge(empty, "", "")) / CHARACTERS_PER_TOKEN
    answers = 2 * max(s.max_tokens for s in (config.synthesis.answer, config.synthesis.vote))
    images = config.engine.vllm.max_images * image_tokens(SHAPES[shape], config, family)
    assert ours + answers + QUESTION_TOKENS + images <= config.engine.max_prompt_tokens


@every
def test_the_limit_is_no_lower_than_it_must_be(name: str) -> None:
    config, family = preset(name), FAMILIES[name]
    assert config.data.max_pixels >= 1_000_000
    if family.factor:  # the processor makes nothing smaller that we let pass
        assert config.data.max_pixels <= family.pixels[1]
    else:  # and what Mllama's four tiles of 560 x 560 hold is not made smaller by us
        assert config.data.max_pixels == 4 * 560 * 560


@every
def test_the_longest_answer_fits_behind_the_longest_prompt(name: str) -> None:
    config, family = preset(name), FAMILIES[name]
    limit = config.engine.max_prompt_tokens
    longest = max(
        sampling.max_tokens
        for sampling in (
            *(config.synthesis.answer, config.synthesis.alter, config.synthesis.vote),
            *(config.judging.sampling, config.validation.sampling, config.evaluation.sampling),
        )
    )
    assert longest >= load_prompts(config.prompts).judgement_tokens
    assert limit + longest <= family.context
    # vLLM takes the prompt's limit and this many more where `max_model_len` is null.
    assert config.engine.vllm.max_model_len is None
    assert longest <= 2048


@every
def test_the_memory_that_the_preset_states_is_what_it_needs(name: str) -> None:
    config, family = preset(name), FAMILIES[name]
    head = " ".join((FOLDER / f"{name}.yaml").read_text().split("\n\n")[0].replace("#", "").split())
    said = re.search(r"weights (\d+) GB \((\S+) B parameters.*?(\d+) KB per token.*?(\d+) GB", head)
    assert said, head
    weights, billions, cache_kb, gpu = map(float, said.groups())
    assert billions == family.billions
    assert weights == round(2 * billions)
    assert cache_kb == round(family.cache_bytes / 1000)
    longest = config.engine.max_prompt_tokens + config.judging.sampling.max_tokens
    together = config.engine.batch_size if config.engine.kind == "transformers" else 8
    assert weights + together * longest * family.cache_bytes / 1e9 < 0.8 * gpu


def test_every_setting_of_the_method_is_marked_as_the_paper_s_or_as_open() -> None:
    text = (FOLDER / "paper.yaml").read_text()
    sections = {part.split(":", 1)[0]: part for part in text.split("\n\n")}
    unmarked = [
        line
        for name in ("synthesis", "judging", "filtering", "training", "validation")
        for line in sections[name].splitlines()[1:]
        if not re.search(r" # (paper|open)\b", line)
    ]
    assert unmarked == []


def test_the_paper_s_preset_has_the_settings_that_are_known() -> None:
    config = preset("paper")
    for sampling in (config.synthesis.answer, config.synthesis.vote, config.judging.sampling):
        assert (sampling.temperature, sampling.top_k, sampling.top_p) == (0.6, 50, 0.9)
    assert (config.synthesis.vote_samples, config.synthesis.vote_threshold) == (16, 5)
    assert (config.loop.iterations, config.training.epochs) == (4, 5)
    assert config.training.start == "previous"


@pytest.mark.parametrize(("name", "profile"), [("paper", "eight-gpu"), ("qwen3-vl-8b", "one-gpu")])
def test_the_preset_compiles_and_has_its_profile_s_gpus(
    name: str, profile: str, tmp_path: Path
) -> None:
    loop, cluster = preset(name).loop, read_profile(profile)
    assert compile_pipeline(
        tmp_path / "loop.yaml", loop.iterations, loop.partitions, cluster, local=True
    )
    assert preset(name).training.processes == cluster.training.gpus
