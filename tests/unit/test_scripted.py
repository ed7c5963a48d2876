"""The scripted model does what its settings say, and learns from examples."""

import hashlib
import subprocess
import sys

import pytest

from judgeloop.engines import generate
from judgeloop.engines.scripted import ScriptedEngine
from judgeloop.engines.scripted_model import Sight, read_adapter, read_base
from judgeloop.models.local import LocalModel
from judgeloop.prompt_sets import load_prompts
from judgeloop.schema.engine_section import EngineSection
from judgeloop.schema.errors import ConfigError, EngineError
from judgeloop.schema.records import Choice, Example, ModelRef, to_json
from judgeloop.schema.requests import Request
from judgeloop.schema.sampling import Sampling
from judgeloop.schema.training_section import TrainingSection
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.training.scripted import train_scripted

WARM = Sampling(temperature=1.0)
SECTION = EngineSection(kind="scripted")
QUESTION = "colour of the square"


@pytest.mark.parametrize(
    ("allowed", "refused", "words"),
    [
        ({"temperature": 0}, {"temperature": -0.01}, r"temperature must be in 0\.\.5"),
        ({"temperature": 5}, {"temperature": 5.01}, r"temperature must be in 0\.\.5"),
        ({"top_p": 0.01}, {"top_p": 0}, "top_p must be above 0"),
        ({"top_p": 1}, {"top_p": 1.01}, "top_p must be .* at most 1"),
        ({"top_k": 0}, {"top_k": -1}, "top_k must be 0 .off. or more"),
        ({"max_tokens": 1}, {"max_tokens": 0}, "max_tokens must be 1 or more"),
    ],
)
def test_a_sampling_holds_what_engines_can_use(allowed, refused, words):
    Sampling(**allowed)
    with pytest.raises(ValueError, match=words):
        Sampling(**refused)


def texts(tmp_path, base, purpose, n=400, adapter=None, form=None, **variables):
    """What a scripted model writes when it is asked `n` times."""
    store = FolderStore(tmp_path / "store")
    model = LocalModel(ModelRef(base=base), base, adapter)
    engine = ScriptedEngine(SECTION, model, ImageLibrary(store, 100))
    request = Request(
        id="q", text="prompt", purpose=purpose, variables={"question": QUESTION} | variables, n=n,
        verdict_endings=form and load_prompts(form).verdict_endings, sampling=WARM,
    )  # fmt: skip
    (response,) = generate(engine, [request])
    return [sample.text for sample in response.samples]


def train(base, examples, out, adapter=None, start="previous"):
    settings = TrainingSection(kind="scripted", start=start, max_steps=1)
    return train_scripted(LocalModel(ModelRef(base=base), base, adapter), examples, settings, out)


def example(number, completion="I see red A"):
    return Example(id=f"p{number}/chosen_first/0", images=(), prompt="judge", completion=completion)


@pytest.mark.parametrize(
    ("kind", "choices", "words"),
    [
        ("number", "", {"0", "1", "2", "3", "4", "5"}),
        ("yes_no", "", {"yes", "no"}),
        ("multiple_choice", "red\ngreen\nblue", {"A", "B", "C"}),
    ],
)
def test_closed_answers_are_true_as_often_as_the_setting_says(tmp_path, kind, choices, words):
    made = texts(tmp_path, "scripted:answer_skill=0.7", "answer", kind=kind, choices=choices)
    assert set(made) == words
    assert made.count(Sight((), QUESTION).best(sorted(words))) == pytest.approx(280, abs=30)


def test_a_caption_names_a_colour_a_shape_and_a_place(tmp_path):
    made = set(texts(tmp_path, "scripted:answer_skill=1", "answer", kind="caption", choices=""))
    assert len({tuple(text.split()[-3:]) for text in made}) == 1
    assert all(5 <= len(text.split()) <= 8 for text in made)


def test_an_altered_copy_differs_in_one_word_or_is_the_same(tmp_path):
    original = "there is a red circle left"
    made = texts(tmp_path, "scripted:", "alter", answer=original, error="colour")
    changes = [sum(a != b for a, b in zip(original.split(), t.split(), strict=True)) for t in made]
    assert set(changes) == {0, 1}
    assert changes.count(0) == pytest.approx(40, abs=18)


@pytest.mark.parametrize("form", ["default", "tiny"])
@pytest.mark.parametrize(("skill", "first_bias"), [(0.9, 0.5), (0.0, 0.9), (0.6, 1.0)])
def test_a_judge_is_right_by_skill_and_else_says_a_by_its_bias(tmp_path, form, skill, first_bias):
    right = Sight((), QUESTION).best(["red", "blue"])
    wrong = "blue" if right == "red" else "red"
    shown = {"answer_a": wrong, "answer_b": right, "form": form}
    made = texts(tmp_path, f"scripted:skill={skill},first_bias={first_bias}", "judge", **shown)
    choices = [load_prompts(form).read_verdict(text, "stop").choice for text in made]
    says_b = skill + (1 - skill) * (1 - first_bias)
    assert choices.count(Choice.B) == pytest.approx(392 * says_b, abs=35)
    assert 1 <= choices.count(Choice.UNDECIDED) <= 25


def test_the_truth_depends_on_the_pictures_and_the_question():
    colours = ["red", "green", "blue", "grey", "purple", "yellow"]
    seen = {Sight((f"{n}",), f"question {m}").best(colours) for n in range(5) for m in range(5)}
    assert len(seen) > 3
    assert Sight(("1",), "q").worth("red circle") == Sight(("1",), "q").worth("Red circle.")


@pytest.mark.parametrize(
    ("base", "message"),
    [("scripted:skil=0.1", "unknown setting `skil`"), ("scripted:skill=2", "must be in 0..1"),
     ("scripted:gain=much", "gain")],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(base, message):
    with pytest.raises(ConfigError, match=message):
        read_base(base)


def test_training_gains_a_share_of_the_missing_skill(tmp_path):
    base = "scripted:skill=0.2,gain=0.5"
    first = train(base, [example(0)], tmp_path / "1")
    second = train(base, [example(1)], tmp_path / "2", adapter=tmp_path / "1")
    again = train(base, [example(1)], tmp_path / "3", adapter=tmp_path / "1", start="base")
    assert [m["skill"] for m in (first, second, again)] == pytest.approx([0.6, 0.8, 0.6])
    assert train(base, [], tmp_path / "4") == {"skill": 0.2, "examples": 0}
    assert train(base, [example(0), example(1)], tmp_path / "5")["examples"] == 2


def test_the_same_examples_make_the_same_adapter_and_changed_ones_another(tmp_path):
    made = {
        name: (train("scripted:", examples, tmp_path / name), *_files(tmp_path / name))
        for name, examples in {
            "one": [example(0), example(1)],
            "same": [example(0), example(1)],
            "changed": [example(0), example(1, "I see red B")],
        }.items()
    }
    assert made["one"] == made["same"]
    again = train("scripted:", [example(0), example(1)], tmp_path / "changed")
    assert (again, *_files(tmp_path / "changed")) == made["one"]
    adapter = read_adapter(tmp_path / "one")
    lines = b"".join(to_json(example(number)) + b"\n" for number in (0, 1))
    assert (adapter.examples, adapter.examples_sha256) == (2, hashlib.sha256(lines).hexdigest())
    assert made["one"] != made["changed"]


def _files(folder):
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def test_an_adapter_makes_the_judge_better(tmp_path):
    train("scripted:skill=0,gain=1", [example(0)], tmp_path / "adapter")
    right = Sight((), QUESTION).best(["red", "blue"])
    shown = {"answer_a": "blue" if right == "red" else "red", "answer_b": right}
    shown["form"] = "tiny"
    before = texts(tmp_path, "scripted:skill=0", "judge", **shown)
    after = texts(tmp_path, "scripted:skill=0", "judge", adapter=tmp_path / "adapter", **shown)
    assert sum(text.endswith(" B") for text in before) < 80
    assert sum(text.endswith(" B") for text in after) > 370


def test_a_folder_without_a_scripted_adapter_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"scripted_adapter\.json"):
        texts(tmp_path, "scripted:", "judge", adapter=tmp_path)


def test_the_scripted_engine_and_its_training_need_no_torch():
    code = (
        "import sys, judgeloop.engines.scripted, judgeloop.training.scripted; "
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
