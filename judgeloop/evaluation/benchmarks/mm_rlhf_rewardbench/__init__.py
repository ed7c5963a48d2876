"""MM-RLHF-RewardBench (Zhang et al., arXiv 2502.10391): scored by pair and by question."""

from judgeloop.evaluation.benchmarks.base import Benchmark, coin_order
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.aggregate import aggregate
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.load import load
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.outputs import read_outputs
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench.parse import preferred
from judgeloop.schema.sampling import Sampling

MM_RLHF_REWARDBENCH = Benchmark(
    name="mm-rlhf-rewardbench",
    protocol="r1_reward 3693413",
    load=load,
    official_outputs=read_outputs,
    parse=preferred,
    shows_chosen_first=coin_order,
    aggregate=aggregate,
    endings=("<answer>1</answer>", "<answer>2</answer>"),
    samples=1,
    sampling=Sampling(temperature=0.0, top_p=1.0, top_k=0, max_tokens=4096),
)
