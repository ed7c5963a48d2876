"""Fine-tuning of the judge by LoRA.

TRL's trainer runs in a child process (`launch` starts `sft`), so that several GPUs need no other
code, memory is freed when it ends, and an out-of-memory kill is reported. The stage that starts it
imports no torch.
"""
