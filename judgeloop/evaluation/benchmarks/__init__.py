"""The benchmarks: one folder each, with its loader, its official protocol and its groups."""

from __future__ import annotations

from judgeloop.evaluation.benchmarks.base import Benchmark
from judgeloop.evaluation.benchmarks.mm_rewardbench import MM_REWARDBENCH
from judgeloop.evaluation.benchmarks.mm_rlhf_rewardbench import MM_RLHF_REWARDBENCH
from judgeloop.evaluation.benchmarks.vl_rewardbench import VL_REWARDBENCH

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark for benchmark in (VL_REWARDBENCH, MM_REWARDBENCH, MM_RLHF_REWARDBENCH)
}
