"""The commands of `judgeloop`, one a module; `main` lists them, `command` declares them."""
