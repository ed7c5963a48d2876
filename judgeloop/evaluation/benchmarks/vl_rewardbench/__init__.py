"""VL-RewardBench (Li et al., arXiv 2411.17451): general, hallucination and reasoning pairs."""

from judgeloop.evaluation.benchmarks.base import Benchmark, coin_order
from judgeloop.evaluation.benchmarks.vl_rewardbench.aggregate import aggregate
from judgeloop.evaluation.benchmarks.vl_rewardbench.load import load
from judgeloop.evaluation.benchmarks.vl_rewardbench.outputs import read_outputs
from judgeloop.evaluation.benchmarks.vl_rewardbench.parse import preferred
from judgeloop.evaluation.benchmarks.vl_rewardbench.suspects import suspects

VL_REWARDBENCH = Benchmark(
    name="vl-rewardbench",
    protocol="VL_RewardBench 9b10abd",
    load=load,
    official_outputs=read_outputs,
    parse=preferred,
    shows_chosen_first=coin_order,
    aggregate=aggregate,
    suspects=suspects,
)
