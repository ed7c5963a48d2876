"""The default prompts as Jinja templates, and what they share; `set.yaml` says how to copy them.

The wording is ours: the paper's appendix has its prompts, but they could not be read
(`docs/method.md`). The order of a judge prompt is image, question, then what differs, so that both
orders of a pair share a prefix.
"""
