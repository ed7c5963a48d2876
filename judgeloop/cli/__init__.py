"""The commands of `judgeloop`, one per module; `main` lists them, `command` declares them."""
