"""A self-improving judge of vision-language models, trained without human labels."""

__version__ = "0.1.0"
