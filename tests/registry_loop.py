"""A loop whose stages before `register` have run: what they leave in its store and ledger."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from judgeloop.evaluation.scores import ScoreTally
from judgeloop.registry.client import connect
from judgeloop.registry.tracking import Run, loop_run
from judgeloop.runtime.decided import loop_hash
from judgeloop.runtime.ledger import Entry, Ledger
from judgeloop.runtime.stage_settings import PromoteSettings, RegisterSettings, select_settings
from judgeloop.runtime.stages.promote import promote as promote_stage
from judgeloop.runtime.stages.register import register
from judgeloop.schema.config import Config, load_config
from judgeloop.schema.keys import content_key
from judgeloop.schema.records import Choice, Example, ItemResult, Manifest, ModelRef
from judgeloop.schema.results import Funnel, Training
from judgeloop.store import FolderStore, folder_checksums, upload_folder
from judgeloop.store.shards import Work, finish, write_shards
from tests.conftest import REPOSITORY

ITEMS = 40
"""Gold pairs, and held-out ones."""


def judged(
    count: int, right: int, items: str = "item", categories: Sequence[str] = ("colour",)
) -> list[ItemResult]:
    """Results of a judge that is right in both orders on the first `right`, else says A."""
    return [
        ItemResult(
            item_id=f"{items}-{number}",
            category=categories[number % len(categories)],
            chosen_first=Choice.A,
            rejected_first=Choice.B if number < right else Choice.A,
            lengths=(20, 20),
        )
        for number in range(count)
    ]


class Loop:
    """Leaves in a store and a ledger what the stages before `register` leave there."""

    def __init__(self, store: Path, model_name: str, loop_id: str = "loop", **changes: Any) -> None:
        name = json.dumps(model_name, ensure_ascii=False)
        settings = [f"registry.model_name={name}", f"registry.experiment={name}"]
        settings += [f"{key}={value}" for key, value in changes.items()]
        self.config: Config = load_config(REPOSITORY / "pipelines/configs/micro.yaml", settings)
        self.name = model_name
        self.store = FolderStore(store)
        self.ledger = Ledger(self.store, loop_id)
        self.base = ModelRef(base=self.config.model.base)

    def scores(
        self,
        stage: str,
        iteration: int,
        right: int,
        items: str = "gold",
        categories: Sequence[str] = ("colour",),
        model: ModelRef | None = None,
    ) -> Manifest:
        """Record a judge, the start model unless given, right on the first `right` of the items."""
        results = judged(ITEMS, right, items, categories)
        probe = judged(1, 0, f"{items}-probe")[0]
        results.append(msgspec.structs.replace(probe, identical=True))
        key = content_key(stage, items, right, iteration, self.ledger.loop_id)
        header = Manifest(stage=stage, stage_version=1, key=key, model=model or self.base)
        made = write_shards(self.store, header, [results], lambda batch: Work(batch))
        tally = ScoreTally()
        tally.add(results)
        made = msgspec.structs.replace(made, result=tally.scores(items, "both orders"))
        return self.record(finish(self.store, made), iteration)

    def trained(self, iteration: int, folder: Path) -> Manifest:
        adapter = folder / f"adapter-{iteration}"
        adapter.mkdir(parents=True)
        (adapter / "adapter_config.json").write_text(f'{{"r": {iteration}}}')
        (adapter / "adapter_model.safetensors").write_bytes(bytes([iteration]) * 1000)
        key = content_key("train", iteration)
        upload_folder(self.store, adapter, f"train/{key}/adapter")
        model = msgspec.structs.replace(
            self.base,
            adapter=f"train/{key}/adapter",
            adapter_sha256=content_key(folder_checksums(adapter)),
        )
        result = Training(examples=1, last_loss=0.5, losses=((1, 2.0), (2, 0.5)))
        made = Manifest(stage="train", stage_version=1, key=key, model=model, result=result)
        return self.record(made, iteration)

    def examples(self, iteration: int) -> Manifest:
        rows = [Example(id="p/chosen_first/0", images=("aa",), prompt="?", completion="A")]
        header = Manifest(stage="filter", stage_version=1, key=content_key("filter", iteration))
        made = write_shards(self.store, header, [rows], lambda batch: Work(batch))
        funnel = Funnel(
            pairs=4, undecided=1, disagreeing=1, one_order=1, kept=1, kept_judgements=2,
            kinds={}, first_position=0.5, examples=1,
        )  # fmt: skip
        return msgspec.structs.replace(made, result=funnel)

    def inputs(self, iteration: int, folder: Path, validation: int, gold: int) -> list[Manifest]:
        trained = self.trained(iteration, folder)
        return [
            trained,
            self.scores("validate", iteration, validation, "held_out", model=trained.model),
            self.scores("evaluate", iteration, gold, model=trained.model),
            self.examples(iteration),
        ]

    def register(self, iteration: int, folder: Path, validation: int, gold: int) -> Manifest:
        return self.registered(iteration, self.inputs(iteration, folder, validation, gold))

    def registered(self, iteration: int, inputs: list[Manifest]) -> Manifest:
        return self.record(self.enter(iteration, inputs), iteration)

    def enter(self, iteration: int, inputs: Sequence[Manifest]) -> Manifest:
        """Registers a version and leaves it out of the ledger."""
        return register(
            select_settings(self.config, RegisterSettings),
            self.store,
            self.ledger,
            iteration,
            *inputs,
            configuration=msgspec.to_builtins(self.config),
            loop_hash=self.loop_hash,
        )

    @property
    def loop_hash(self) -> str:
        """Tells the loop from others with its id."""
        return loop_hash(self.config, self.store)

    def promote(self) -> Manifest:
        registered, evaluations = (
            {iteration: made[-1] for iteration, made in self.ledger.manifests(stage).items()}
            for stage in ("register", "evaluate")
        )
        settings = select_settings(self.config, PromoteSettings)
        loop = (self.ledger.loop_id, self.loop_hash)
        return promote_stage(settings, self.store, *loop, registered, evaluations)

    def record(self, made: Manifest, iteration: int) -> Manifest:
        self.ledger.record(Entry(stage=made.stage, iteration=iteration, manifest=made))
        return made

    def parent(self) -> Run:
        """The loop's own run."""
        return loop_run(self.name, self.ledger.loop_id, self.loop_hash)

    def runs(self) -> list[Any]:
        experiment = connect().get_experiment_by_name(self.name)
        return list(connect().search_runs([experiment.experiment_id]))
