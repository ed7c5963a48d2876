"""Multimodal RewardBench (Yasunaga et al., arXiv 2502.14191): six categories of pairs."""

from judgeloop.evaluation.benchmarks.base import Benchmark
from judgeloop.evaluation.benchmarks.mm_rewardbench.aggregate import aggregate
from judgeloop.evaluation.benchmarks.mm_rewardbench.load import load, shows_chosen_first
from judgeloop.evaluation.benchmarks.mm_rewardbench.outputs import read_outputs
from judgeloop.evaluation.benchmarks.mm_rewardbench.parse import preferred

MM_REWARDBENCH = Benchmark(
    name="mm-rewardbench",
    protocol="multimodal_rewardbench b4b92cd",
    load=load,
    official_outputs=read_outputs,
    parse=preferred,
    shows_chosen_first=shows_chosen_first,
    aggregate=aggregate,
)
