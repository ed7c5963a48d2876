"""A judge behind HTTP, in the form of the OpenAI API, for programs in any language."""
