"""Multimodal RewardBench (Yasunaga et al., arXiv 2502.14191): six categories of pairs."""

from judgeloop.evaluation.benchmarks.base import Benchmark
from judgeloop.evaluation.benchmarks.mm_rewardbench.aggregate import aggregate
from judgeloop.evaluation.benchmarks.mm_rewardbench.load import load, shows_chosen_first
from judgeloop.evaluation.benchmarks.mm_rewardbench.outputs import read_outputs
from judgeloop.evaluation.benchmarks.mm_rewardbench.parse import FIRST, SECOND, preferred
from judgeloop.evaluation.benchmarks.prompts import OfficialPrompt
from judgeloop.schema.sampling import Sampling

MM_REWARDBENCH = Benchmark(
    name="mm-rewardbench",
    protocol="multimodal_rewardbench b4b92cd",
    load=load,
    official_outputs=read_outputs,
    parse=preferred,
    shows_chosen_first=shows_chosen_first,
    aggregate=aggregate,
    endings=(FIRST, SECOND),
    samples=1,
    sampling=Sampling(temperature=1.0, top_p=1.0, top_k=0, max_tokens=1024),
    prompt=OfficialPrompt(
        script="1_run_model_as_judge_gpt4o.py",
        fields={"question": "question", "first": "answer_a", "second": "answer_b"},
        sha256="504568c0b4193832bc8687ce7ad8435f510285b5101eee4dce3adc720ea5bec7",
    ),
)
