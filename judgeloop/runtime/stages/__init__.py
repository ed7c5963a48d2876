"""The stages: pure functions of (inputs, configuration, seed) that write shards under content keys.

Each module is one verb. A stage first looks for its manifest under its content key; if it exists,
nothing is done and no engine starts. `judgeloop.runtime.tasks` runs the stages as pipeline tasks.
"""
