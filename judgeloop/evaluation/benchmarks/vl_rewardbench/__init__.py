"""VL-RewardBench (Li et al., arXiv 2411.17451): general, hallucination and reasoning pairs."""

from judgeloop.evaluation.benchmarks.base import Benchmark, coin_order
from judgeloop.evaluation.benchmarks.prompts import OfficialPrompt
from judgeloop.evaluation.benchmarks.vl_rewardbench.aggregate import aggregate
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.evaluation.benchmarks.vl_rewardbench.outputs import read_outputs
from judgeloop.evaluation.benchmarks.vl_rewardbench.parse import preferred
from judgeloop.evaluation.benchmarks.vl_rewardbench.suspects import suspects
from judgeloop.schema.sampling import Sampling

VL_REWARDBENCH = Benchmark(
    name="vl-rewardbench",
    protocol="VL_RewardBench 9b10abd",
    load=load,
    official_outputs=read_outputs,
    parse=preferred,
    shows_chosen_first=coin_order,
    aggregate=aggregate,
    endings=(
        "Overall Judgment: Answer 1 is better.",
        "Overall Judgment: Answer 2 is better.",
    ),
    samples=10,
    sampling=Sampling(temperature=0.2, top_p=0.2, top_k=0, max_tokens=2048),
    prompt=OfficialPrompt(
        script="prompt.py",
        fields={
            "question": "data_obj['query']",
            "first": "answers[0]",
            "second": "answers[1]",
        },
        sha256="1cad9f2bb83c7ba588f18dc451ec0701857fd6677968909f249c5f060bceaf55",
        deleted="<image>\n",
    ),
    suspects=suspects,
)
