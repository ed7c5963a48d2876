"""Fine-tuning of the judge by LoRA.

TRL's trainer runs in a child process (`launch` starts it, `sft` is it), so that several GPUs need
no other code, memory is given back when it ends, and a death by memory has a message. The stage
that asks for it imports no torch.
"""
