"""Trains the tiny base model, and measures the skills of a tiny model.

```
python -m judgeloop.ops.tiny_base pretrain --out FOLDER --seed 0
python -m judgeloop.ops.tiny_base skills FOLDER --count 300
```
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from judgeloop.runtime.redaction import hide_secrets
from judgeloop.tiny.pretrain import pretrain
from judgeloop.tiny.skills import load, measure


def main() -> None:
    """Reads the command line; trains, or measures and prints JSON."""
    hide_secrets("%(message)s", "INFO")
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    training = commands.add_parser("pretrain")
    training.add_argument("--out", type=Path, required=True)
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--text-steps", type=int, default=600)
    training.add_argument("--steps", type=int, default=3800)
    training.add_argument("--sequences", type=int, default=24)
    training.add_argument("--rate", type=float, default=1.5e-3)
    measuring = commands.add_parser("skills")
    measuring.add_argument("folder")
    measuring.add_argument("--count", type=int, default=200)
    args = parser.parse_args()
    if args.command == "pretrain":
        pretrain(args.out, args.seed, args.text_steps, args.steps, args.sequences, args.rate)
        return
    found = measure(load(args.folder), args.count)
    print(json.dumps({name: round(value, 3) for name, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
