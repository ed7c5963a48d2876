"""Which test runs each command that README and docs/ show, and how far."""

from typing import NamedTuple

SHELL = (
    "tests/loop/test_document_shell.py::test_the_commands_of_the_pages_work_in_order_in_one_shell"
)
"""Runs it as it stands, after those before it, in a copy of the tree with a smaller demo."""
AS_FAR = (
    "tests/unit/test_document_commands.py::test_a_command_that_is_too_much_for_a_test_is_understood"
)
"""`make --dry-run`, or `--help` of the program: it is too long, or it changes the machine."""

_CONVERT = "tests/unit/test_convert.py::"
_COMMANDS = "tests/contract/test_kubeflow.py::"
_PAGE = "tests/loop/test_kubeflow_page.py::"
_FOLLOWED = (
    "tests/loop/test_submit.py::test_a_loop_runs_to_its_early_stop_and_is_shown_stage_by_stage"
)
_CANCELLED = (
    "tests/loop/test_submit.py::"
    "test_a_cancelled_run_leaves_nothing_working_and_goes_on_when_submitted_again"
)
_OPERATIONS = "tests/loop/test_operations_page.py::"
_HAND = (
    "tests/contract/test_manual_promotion.py::"
    "test_a_version_is_promoted_by_hand_and_taken_back_with_a_trail_of_both"
)
_LAYOUT = _CONVERT + "test_a_documented_command_converts_a_data_set_of_that_layout"
_LOOP = _PAGE + "test_the_file_takes_a_loop_from_nothing_to_a_finished_run"


class Row(NamedTuple):
    """Where a command is run."""

    test: str
    exit_code: int = 0
    """With which it ends in the copy."""
    note: str = ""
    """What differs from the command as it stands."""


_JUDGELOOP = ".venv/bin/judgeloop"
_ASKED = '--image scene.png --question "caption" --a "red circle north" --b "blue circle north"'
_BENCHMARK = "a measurement of hours, or of data that this repository does not hold: `--help`"

ROWS: dict[str, Row] = {
    "make demo": Row(SHELL, note="fewer questions; test_the_demo_learns runs it whole"),
    f"{_JUDGELOOP} verdict --run runs/demo --model models:/judgeloop-tiny@champion --image "
    "runs/demo/try/1.png --question 'count triangle' --a 1 --b 2": Row(SHELL),
    f"{_JUDGELOOP} view runs/demo": Row(SHELL),
    "make test": Row(AS_FAR, note="it is this suite"),
    f"{_JUDGELOOP} verdict --run runs/demo {_ASKED}": Row(SHELL),
    f"{_JUDGELOOP} judge runs/demo/try/pairs.jsonl --run runs/demo --out verdicts.jsonl": Row(
        SHELL
    ),
    f"{_JUDGELOOP} export --run runs/demo --out exported/judge": Row(SHELL),
    'make run CONFIG=tiny SET="loop.iterations=2" OUT=runs/mine': Row(
        SHELL, note="fewer questions, a scripted model"
    ),
    f"{_JUDGELOOP} config show my.yaml": Row(SHELL),
    f"{_JUDGELOOP} check-data questions.jsonl --config my.yaml": Row(SHELL),
    f"{_JUDGELOOP} plan qwen2.5-vl-7b --set data.count=10000 --price-per-hour 3": Row(SHELL),
    f"{_JUDGELOOP} status runs/demo": Row(SHELL),
    f"{_JUDGELOOP} clean runs/demo": Row(SHELL),
    "make compile PROFILE=one-gpu": Row(SHELL, note="images by digests of the environment"),
    f"{_JUDGELOOP} judge runs/demo/try/pairs.jsonl --run runs/demo --out first.jsonl": Row(SHELL),
    f"{_JUDGELOOP} export --run runs/demo --out exported/first": Row(SHELL),
    # docs/data.md
    "judgeloop convert SOURCE --out DIR": Row(_LAYOUT),
    "judgeloop convert 'hf://datasets/lmms-lab/LLaVA-OneVision-Data@REVISION/ai2d(gpt4v)' "
    "--out questions/": Row(
        _CONVERT + "test_a_hub_data_set_is_read_at_its_revision", note="a hub of ours"
    ),
    **{
        f"judgeloop convert {source} --out questions/{more}": Row(_LAYOUT)
        for source, more in (
            ("saved_data_set/", ""),
            ("rows.parquet", ""),
            ("llava.jsonl", ""),
            ("llava.json", ""),
            ("table.csv", ""),
            ("image_folder/", ""),
            ("shards/", ""),
            (
                "vqa.jsonl",
                " --columns id=qid images=picture text=query_text kind=type license=terms",
            ),
        )
    },
    "judgeloop convert s3://bucket/prefix --out questions/": Row(
        _CONVERT + "test_a_prefix_on_s3_is_read_like_a_folder", note="an S3 server of ours"
    ),
    f"{_JUDGELOOP} check-data gold.jsonl": Row(SHELL),
    "judgeloop route --data ../shared/data/SET --json": Row(
        "tests/unit/test_routing.py::test_real_questions_are_routed"
    ),
    "judgeloop route --data FILE-or-FOLDER": Row(
        "tests/unit/test_routing.py::test_real_questions_are_routed"
    ),
    "python -m benchmarks.real_questions ../shared/data": Row(
        "tests/unit/test_real_questions.py::test_photographs_become_judged_pairs_in_either_layout",
        note="one of the sets",
    ),
    # docs/judge.md
    "export MLFLOW_TRACKING_URI=sqlite:///runs/demo/mlflow/mlflow.db": Row(SHELL),
    f"{_JUDGELOOP} judge pairs.jsonl --judge models:/judgeloop-tiny@champion "
    "--out judged.jsonl": Row(SHELL),
    f"{_JUDGELOOP} export --run runs/demo --out exported/adapter": Row(SHELL),
    **{
        f"{_JUDGELOOP} export --run runs/demo --as {form} --out exported/{folder}": Row(SHELL)
        for form, folder in (("merged", "model"), ("pairs", "pairs"), ("examples", "examples"))
    },
    f"{_JUDGELOOP} serve --run runs/demo --port 8000": Row(SHELL, note="in the background"),
    f"{_JUDGELOOP} verdict --run runs/demo --endpoint http://127.0.0.1:8000/v1 "
    f"--served-model base {_ASKED}": Row(SHELL, note="another port"),
    # docs/inference.md
    "make demo ENGINE=vllm": Row(
        "tests/loop/test_vllm_loop.py::test_the_loop_trains_and_measures_an_adapter_on_vllm",
        note="fewer questions",
    ),
    'make run CONFIG=pipelines/configs/tiny.yaml SET="engine.kind=vllm engine.batch_size=128"': Row(
        "tests/loop/test_vllm_loop.py::test_the_loop_trains_and_measures_an_adapter_on_vllm",
        note="fewer questions",
    ),
    "judgeloop verdict --beside-base": Row(
        "tests/loop/test_tiny_loop.py::test_a_verdict_beside_the_base_shows_what_training_changed"
    ),
    "python -m pytest -s tests/unit/test_full_slots.py": Row(
        "tests/unit/test_full_slots.py::test_shards_in_flight_take_hardly_more_than_one_stream"
    ),
    # docs/evaluation.md
    "judgeloop score --benchmark NAME --data DIR --outputs FILE [--json]": Row(
        "tests/unit/test_score_command.py::"
        "test_json_is_one_object_with_every_figure_and_the_datas_hash"
    ),
    "judgeloop compare A B --run DIR": Row(
        "tests/contract/test_evaluation_alone.py::"
        "test_versions_of_two_loops_are_compared_once_both_were_evaluated_in_one_store"
    ),
    "judgeloop compare A B --benchmark NAME --data DIR": Row(
        "tests/unit/test_benchmark_intervals.py::test_two_judges_saved_outputs_are_compared"
    ),
    "judgeloop suspects A B ... --out FILE": Row(
        "tests/unit/test_benchmark_intervals.py::test_the_command_writes_the_list"
    ),
    "judgeloop arms RUN... --out FOLDER": Row(
        "tests/unit/test_arms.py::test_the_command_writes_the_page_of_two_runs"
    ),
    'make evaluate CONFIG=FILE SET="model.start=models:/NAME/VERSION"': Row(
        "tests/loop/test_micro_loop.py::test_make_evaluate_scores_a_version_without_a_loop"
    ),
    "make submit PIPELINE=evaluate": Row(
        "tests/loop/test_submit_evaluation.py::"
        "test_an_evaluation_is_submitted_runs_to_its_end_and_is_not_started_again",
        note="`judgeloop submit --pipeline evaluate`, which it calls",
    ),
    "judgeloop promote models:/NAME/VERSION --instead-of CHAMPION --reason TEXT": Row(_HAND),
    "judgeloop rollback NAME --reason TEXT": Row(_HAND),
    # docs/gpu.md
    "make setup GPU=1": Row(
        "tests/unit/test_makefile.py::"
        "test_setup_for_a_gpu_takes_the_builds_for_cuda_and_replaces_those_for_cpus",
        note="`--dry-run`: 10 GB",
    ),
    f"{_JUDGELOOP} plan qwen2.5-vl-7b --set data.count=10000": Row(SHELL),
    f"{_JUDGELOOP} doctor --config qwen2.5-vl-7b --out runs/qwen": Row(
        SHELL, 10, "there is no GPU: it lists what is missing"
    ),
    'make run CONFIG=qwen2.5-vl-7b SET="data.questions=questions.jsonl '
    'evaluation.gold=gold.jsonl" OUT=runs/qwen': Row(AS_FAR, note="needs a GPU"),
    # docs/kubeflow.md
    **{
        command: Row(_LOOP, note="stand-ins for kubectl and Kubeflow")
        for command in (
            "export NAMESPACE=kubeflow",
            "export CONFIG=my.yaml PROFILE=one-gpu",
            "export STORE=s3://bucket/judgeloop",
            "export JUDGELOOP_IMAGE_CPU=registry.example/judgeloop-cpu@sha256:...",
            "export JUDGELOOP_IMAGE_GPU=registry.example/judgeloop-gpu@sha256:...",
            "export KF_PIPELINES_ENDPOINT=http://localhost:8888",
            'kubectl apply -k "k8s/overlays/${OVERLAY:-standalone}"',
            'kubectl create secret generic judgeloop-store -n "$NAMESPACE" '
            "--from-env-file=store.env",
            'kubectl create secret generic judgeloop-registry -n "$NAMESPACE" '
            "--from-env-file=registry.env",
            "kubectl port-forward -n kubeflow svc/ml-pipeline 8888:8888 &",
            "curl -sSf -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused "
            '"$KF_PIPELINES_ENDPOINT/apis/v2beta1/healthz"',
            'make doctor-kubeflow PROFILE="$PROFILE"',
            'make submit CONFIG="$CONFIG" PROFILE="$PROFILE" SET="store=$STORE" LOOP_ID=first',
            "make status RUN=first FOLLOW=1",
        )
    },
    "make images push REGISTRY=registry.example/team": Row(AS_FAR, note="needs a registry"),
    "make submit … FOLLOW=1": Row(_FOLLOWED),
    "make logs RUN=first": Row(
        "tests/contract/test_kubeflow_logs.py::"
        "test_logs_show_what_failed_and_the_pods_from_the_first_to_the_last"
    ),
    "make cancel RUN=first": Row(_CANCELLED),
    "make status RUN=first": Row(_FOLLOWED),
    "make status RUN=first FOLLOW=1 PROFILE=…": Row(_FOLLOWED),
    "make compile PROFILE=one-gpu ITERATIONS=4 PARTITIONS=8": Row(
        "tests/unit/test_estimate.py::test_the_page_shows_what_is_estimated"
    ),
    "judgeloop compile --trainjob": Row(
        "tests/unit/test_profile.py::"
        "test_the_command_compiles_a_training_task_that_creates_a_trainjob_and_has_no_gpu"
    ),
    "judgeloop doctor --config FILE": Row(
        "tests/contract/test_doctor.py::test_the_command_line_has_one_line_a_check_and_an_exit_code"
    ),
    "make doctor-kubeflow PROFILE=…": Row(
        "tests/contract/test_kubeflow_waiting.py::"
        "test_the_doctor_prints_a_line_a_check_and_submit_refuses_what_would_wait_for_ever"
    ),
    # docs/judge.md, "On Kubernetes"
    "make deploy VERSION=models:/my-judge/3 PROFILE=one-gpu OUT=judge.yaml": Row(
        "tests/unit/test_makefile.py::test_deploy_writes_the_manifests_of_the_version_that_is_named",
        note="`--dry-run`; tests/contract/test_deploy.py runs what it calls",
    ),
    "kubectl apply -k k8s/overlays/serving": Row(
        "tests/unit/test_manifests.py::test_every_overlay_passes", note="built, not applied"
    ),
    "kubectl apply -f judge.yaml": Row(
        "tests/contract/test_deploy.py::"
        "test_a_deployment_fetches_by_checksum_serves_lora_and_is_probed",
        note="checked by the kinds' schemas, not applied",
    ),
    # docs/operations.md
    **{
        command: Row(_OPERATIONS + "test_the_commands_for_one_machine_run_in_their_order")
        for command in (
            f"{_JUDGELOOP} run --config micro --set loop.iterations=1 --out runs/ops",
            f"{_JUDGELOOP} status runs/ops",
            f"{_JUDGELOOP} status runs/ops --json",
            f"{_JUDGELOOP} report runs/ops",
            f"JUDGELOOP_LOG_FORMAT=json {_JUDGELOOP} run --config micro --set loop.iterations=1 "
            "--set registry.model_name=second --out runs/json",
            f"{_JUDGELOOP} plan qwen2.5-vl-7b --set data.questions=s3://bucket/questions.jsonl "
            "--set data.count=10000",
            f"HF_HUB_OFFLINE=1 {_JUDGELOOP} doctor --config micro --out runs/offline",
            f"{_JUDGELOOP} clean runs/ops",
            '.venv/bin/python -c "import sqlite3; '
            "sqlite3.connect('runs/ops/mlflow/mlflow.db').backup("
            "sqlite3.connect('backup/mlflow.db'))\"",
            f"{_JUDGELOOP} status backup/store",
            f"{_JUDGELOOP} export --run runs/ops --judge models:/judgeloop-micro@candidate "
            "--out backup/judge",
        )
    },
    **{
        command: Row(_OPERATIONS + "test_the_commands_for_kubeflow_run_in_their_order")
        for command in (
            'make submit CONFIG="$CONFIG" PROFILE="$PROFILE" SET="store=$STORE" LOOP_ID=ops',
            "make status RUN=ops FOLLOW=1",
            "make logs RUN=ops",
            "make status",
            "make cancel RUN=ops",
        )
    },
    # docs/s3.md, docs/troubleshooting.md
    "make test ARGS=\"-k 'vendors or endpoints'\"": Row(AS_FAR, note="a part of this suite"),
    "make setup BASE_PYTHON=/path/to/python3.12": Row(AS_FAR, note="3 GB"),
    "jq -c '.[]' rows.json > rows.jsonl": Row(
        "tests/unit/test_document_commands.py::test_a_json_array_becomes_lines_as_the_page_says"
    ),
    # Measurements
    **{
        f"python -m benchmarks.{words}": Row(AS_FAR, note=_BENCHMARK)
        for words in (
            "contamination ../shared/data",
            "convert_memory",
            "crops ../shared/data",
            "engines --pairs 800 --repeats 3",
            "gate --runs 500",
            "image_formats --images 1000 10000 100000 --s3",
            'inference --items 1600 --repeats 1 --in-flight 4 --stages "open synthesis"',
            "inference --items 1600 --repeats 1 --step stand-in --in-flight 4",
            'inference --items 3200 --repeats 1 --step stand-in --stages "open synthesis"',
            "pictures",
            "s3_requests --questions 400 2400 --before CHECKOUT",
            "scale",
            "stopping",
        )
    },
}
"""By the command. Bare names within a sentence (`make study`, `judgeloop status`) have no row: a
quick test calls each of them with `--dry-run` or `--help`."""
