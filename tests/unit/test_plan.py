"""What a loop would cost: every figure follows from the configuration and stated rates."""

import json
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from judgeloop.cli.main import main
from judgeloop.ops.plan.estimate import GPUS, REPORTED_AS, Plan, Rates, make_plan
from judgeloop.ops.plan.shapes import KNOWN, shape_of
from judgeloop.ops.plan.survey import survey
from judgeloop.ops.plan.workload import Questions
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.errors import ConfigError
from tests.conftest import REPOSITORY

PRESETS = REPOSITORY / "pipelines" / "configs"
QWEN = PRESETS / "qwen2.5-vl-7b.yaml"


def planned(config: Config, count: int = 10_000, gold: int = 0, gpu: str = "h100") -> Plan:
    questions = Questions(
        count=count, open_share=0.5, images=1.0, image_pixels=1e6, text_tokens=60.0
    )
    return make_plan(config, shape_of(config.model.base), questions, gold, GPUS[gpu], 2.0)


def hours_of_work(plan: Plan, config: Config, group: str) -> float:
    """Hours of a group without the engines' starts."""
    tasks = {"synthesize": 1 + config.loop.iterations * config.loop.partitions,
             "judge": config.loop.iterations * config.loop.partitions}  # fmt: skip
    return plan.gpu_hours[group] - tasks[group] * Rates().engine_start_s / 3600


@pytest.mark.parametrize(
    ("base", "bytes_per_token", "tokens_of_a_megapixel"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", 57_344, 1e6 / 784),
        ("Qwen/Qwen3-VL-8B-Instruct", 147_456, 1e6 / 1024),
        ("meta-llama/Llama-3.2-11B-Vision-Instruct", 163_840, 576),
        ("builtin:tiny-vlm", 2 * 5 * 4 * 32 * 2, 9),
    ],
)
def test_cache_and_image_tokens_are_the_models_own(
    base: str, bytes_per_token: int, tokens_of_a_megapixel: float
) -> None:
    shape = shape_of(base)
    assert shape.cache_bytes_per_token() == bytes_per_token
    assert shape.image_tokens(1e6) == pytest.approx(tokens_of_a_megapixel)


def test_an_image_above_the_processors_limit_costs_no_more() -> None:
    shape = KNOWN["Qwen/Qwen2.5-VL-7B-Instruct"]
    assert shape.image_tokens(50e6) == shape.image_tokens(13e6)


def test_every_preset_with_a_real_model_is_planned_and_its_hours_add_up() -> None:
    for preset in sorted(PRESETS.glob("*.yaml")):
        config = load_config(preset, [])
        if config.model.base.startswith("scripted:"):
            continue
        plan = planned(config)
        groups = [hours for name, hours in plan.gpu_hours.items() if name != "total"]
        assert set(plan.gpu_hours) == {"total", *REPORTED_AS.values()}
        assert plan.gpu_hours["total"] == pytest.approx(sum(groups), abs=0.01)
        assert plan.price == pytest.approx(2.0 * plan.gpu_hours["total"], abs=0.05)


def test_the_papers_size_lies_where_the_paper_says() -> None:
    """Notes on the paper say some 400 H100 hours (docs/method.md)."""
    plan = planned(load_config(PRESETS / "paper.yaml", []), count=100_000)
    assert 200 <= plan.gpu_hours["total"] <= 800


def test_work_grows_with_questions_and_samples() -> None:
    config = load_config(QWEN, [])
    once, twice = planned(config), planned(config, count=20_000)
    for group in ("synthesize", "judge"):
        assert hours_of_work(twice, config, group) == pytest.approx(
            2 * hours_of_work(once, config, group), rel=0.01
        )
    more = load_config(QWEN, ["synthesis.vote_samples=32"])
    assert planned(more).gpu_hours["synthesize"] > 1.5 * once.gpu_hours["synthesize"]
    assert planned(more).gpu_hours["judge"] == once.gpu_hours["judge"]
    samples = load_config(QWEN, ["judging.samples=2"])
    assert planned(samples).gpu_hours["train"] > 1.9 * once.gpu_hours["train"]


def test_a_model_that_is_too_large_is_told() -> None:
    config = load_config(PRESETS / "paper.yaml", [])
    assert planned(config).fits
    assert not planned(config, gpu="a10").fits


def test_the_questions_at_hand_are_counted_and_measured(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    rows = [
        {"id": "1", "images": ["a.png"], "text": "Describe the image."},
        {"id": "2", "images": ["a.png", "gone.png"], "text": "Is it red?", "kind": "yes_no"},
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\nnot JSON\n")
    config = load_config(PRESETS / "tiny.yaml", [f"data.questions={file}", "data.count=null"])
    questions, gold, notes = survey(config)
    counted = (questions.count, questions.open_share, questions.images, questions.image_pixels)
    assert counted == (2, 0.5, 1.5, 1200.0)
    assert gold == config.evaluation.count
    assert notes == ()


def test_the_plan_for_people_shows_stages_rates_and_that_nothing_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", str(PRESETS / "tiny.yaml"), "--price-per-hour", "3"]) == 0
    shown = capsys.readouterr().out
    for word in (
        "synthesize",
        "train",
        "GPU hours",
        "price",
        "kept_share 0.5",
        "none was measured",
    ):
        assert word in shown


def test_questions_that_are_not_at_hand_need_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["plan", str(QWEN), "--set", "data.questions=/nowhere/questions.jsonl"]
    assert main(asked) == ConfigError.exit_code
    assert "set data.count" in capsys.readouterr().err
    assert main([*asked, "--set", "data.count=50", "--json"]) == 0
    plan = msgspec.json.decode(capsys.readouterr().out)
    assert set(plan["gpu_hours"]) == {"total", "synthesize", "judge", "train", "evaluate"}
    assert plan["peak_gpu_memory_gib"] > 15
    assert any("not available" in note for note in plan["notes"])


def test_a_base_of_unknown_size_is_an_error_that_lists_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["plan", str(QWEN), "--set", "model.base=a/b", "--set", "data.count=5"]) == 2
    assert "Qwen/Qwen2.5-VL-7B-Instruct" in capsys.readouterr().err
