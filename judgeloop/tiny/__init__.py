"""The tiny visual world and the tiny base model, with which the whole loop runs on two cores.

`scenes`, `render` and `questions` are the world: one or two colored shapes on a 3 x 3 grid,
questions about them, and, apart from the questions, the gold answers. `mistakes` generates wrong
answers, `formats` holds the prompt texts that pretraining and the loop share, `dataset` writes data
sets. `architecture`, `curriculum`, `batching` and `pretrain` made the checkpoint in `base/`;
`skills` measures what it can do.

Scenes are split three ways by a hash (pretraining, loop, evaluation), so no scene is in two.
"""
