"""A tiny Mllama of random weights through our stages, as Llama 3.2 Vision goes through them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judgeloop.method.judging.verdict import undecided
from judgeloop.method.prompts.tiny import TinyPrompts
from judgeloop.models.references import describe_base
from judgeloop.runtime.ledger import Ledger
from judgeloop.runtime.stages.evaluate import evaluate
from judgeloop.runtime.stages.filter import filter_judgements
from judgeloop.runtime.stages.ingest import ingest
from judgeloop.runtime.stages.judge import judge
from judgeloop.runtime.stages.synthesize import synthesize
from judgeloop.runtime.stages.train import train
from judgeloop.schema.config import load_config
from judgeloop.schema.errors import TrainingError
from judgeloop.schema.records import (
    Choice,
    Example,
    ItemResult,
    Judgement,
    Manifest,
    ModelRef,
    Pair,
    Verdict,
    Voted,
)
from judgeloop.store import FolderStore
from judgeloop.store.images import ImageLibrary
from judgeloop.store.shards import read_records
from tests import tiny_random
from tests.conftest import REPOSITORY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:`hidden_state` is deprecated:FutureWarning"),  # in Mllama
]
BABBLE = {"<|eot_id|>": 10.0, "A": 9.7, "B": 9.0, "red": 8.5, "blue": 8.5}
WARM = "{temperature: 1.0, top_p: 1.0, top_k: 50, max_tokens: 6}"
CHANGES = (
    *("data.count=120", "data.shard_size=100", "engine.max_prompt_tokens=200"),
    *(f"synthesis.{name}={WARM}" for name in ("answer", "alter", "vote")),
    *("synthesis.vote_threshold=3", f"judging.sampling={WARM}", "judging.samples=8"),
    *("training.max_steps=3", "training.batch_size=4", "training.micro_batch_size=4"),
    *("evaluation.count=10", f"validation.sampling={WARM}", f"evaluation.sampling={WARM}"),
)


class Run:
    """What one iteration's stages made."""

    def __init__(self, folder: Path) -> None:
        base = tiny_random.save_mllama(folder / "mllama", babble=BABBLE)
        changes = (*CHANGES, f"model.base={base}")
        self.config = load_config(REPOSITORY / "pipelines/configs/micro-tiny.yaml", changes)
        self.store = FolderStore(folder / "store")
        config, store = self.config, self.store
        self.base = describe_base(str(base), None)
        questions = ingest(config, store)
        self.pairs = synthesize(config, store, 1, 0, questions, self.base)
        self.judged = judge(config, store, 1, 0, self.pairs, self.base)
        self.examples = filter_judgements(config, store, [self.pairs], [self.judged])
        self.trained = train(config, store, Ledger(store, "loop"), 1, self.examples, self.base)
        assert self.trained.model is not None
        self.judge: ModelRef = self.trained.model
        self.scores = [evaluate(config, store, 0, model) for model in (self.base, self.judge)]

    def read(self, manifest: Manifest, kind: type[Any]) -> list[Any]:
        return list(read_records(self.store, manifest, kind))


def read_last_letter(_: TinyPrompts, text: str, finish_reason: str) -> Verdict:
    """Reads what random weights can say: they write no whole judgement, but a letter at times."""
    last = text.split()[-1:]
    if finish_reason == "length" or last not in (["A"], ["B"]):
        return undecided("no_verdict")
    return Verdict(choice=Choice(last[0]))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TinyPrompts, "read_verdict", read_last_letter)
        yield Run(tmp_path_factory.mktemp("mllama"))


def test_mllama_makes_pairs_and_judges_them_in_both_orders(run: Run) -> None:
    pairs = run.read(run.pairs, Pair)
    assert any(isinstance(pair.origin, Voted) for pair in pairs)
    judgements = run.read(run.judged, Judgement)
    assert len(judgements) == 16 * len(pairs)
    assert {judgement.verdict.choice for judgement in judgements} == {"A", "B", "UNDECIDED"}


def test_mllama_is_trained_on_its_own_kept_judgements(run: Run) -> None:
    assert run.examples.rows > 0
    assert run.trained.result.examples == run.examples.rows
    assert run.trained.result.steps == 3
    assert run.trained.result.first_loss > 0


def test_mllama_is_evaluated_with_its_adapter(run: Run) -> None:
    before, after = (run.read(score, ItemResult) for score in run.scores)
    pairs = [item for item in after if not item.item_id.endswith("/identical")]
    assert len(before) == len(after)
    assert len(pairs) == 10
    assert before != after
    assert run.scores[1].model == run.judge


def make_job(run: Run, folder: Path, **changes: Any) -> Any:
    from judgeloop.training.job import TrainingJob

    images = folder / "images"
    images.mkdir()
    examples = run.read(run.examples, Example)
    library = ImageLibrary(run.store, 10_000)
    for name in {name for example in examples for name in example.images}:
        (images / name).write_bytes(library.read(name))
    values = {
        "base": run.base.base, "base_name": "tiny", "examples": str(folder / "none"),
        "images": str(images), "max_pixels": 10_000, "background": "white",
        "settings": run.config.training, "seed": 0,
        "out": str(folder / "out"), "task": "0/train",
    }  # fmt: skip
    return TrainingJob(**(values | changes)), examples


def test_the_loss_falls_on_the_judgement_and_its_end_and_the_prompt_is_the_engine_s(
    run: Run, tmp_path: Path
) -> None:
    import transformers

    from judgeloop.training.sft import make_trainer

    job, examples = make_job(run, tmp_path)
    trainer = make_trainer(job, examples)
    batch = next(iter(trainer.get_train_dataloader()))
    tokenizer = trainer.processing_class.tokenizer
    completions = {f"{example.completion}<|eot_id|>" for example in examples}
    assert {tokenizer.decode(row[row != -100]).strip() for row in batch["labels"]} <= completions
    own = transformers.AutoProcessor.from_pretrained(run.base.base)
    assert "generation" not in own.chat_template.replace("add_generation_prompt", "")
    row = trainer.data_collator([trainer.train_dataset[0]])
    content = [{"type": "image", "image": image} for image in trainer.train_dataset[0]["images"]]
    content.append({"type": "text", "text": examples[0].prompt})
    asked = own.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    prompt = row["input_ids"][0][row["labels"][0] == -100]
    assert prompt.tolist() == asked["input_ids"][0].tolist()
    assert row["pixel_values"].equal(asked["pixel_values"])


def test_a_template_that_asks_otherwise_than_training_would_is_refused(
    run: Run, tmp_path: Path
) -> None:
    from judgeloop.training.sft import make_trainer

    other = tmp_path / "other"
    tiny_random.save_mllama(other)
    file = other / "chat_template.jinja"
    file.write_text(file.read_text().replace("<|start_header_id|>", "[", 1))
    job, examples = make_job(run, tmp_path, base=str(other))
    with pytest.raises(TrainingError, match=r"conversation with 1 images as .*markers"):
        make_trainer(job, examples)
