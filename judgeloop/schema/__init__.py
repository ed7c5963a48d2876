"""Records, configuration, errors and content keys, which all other packages use."""
