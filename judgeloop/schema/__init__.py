"""Records, configuration, errors and content keys: what everything else is written in terms of."""
