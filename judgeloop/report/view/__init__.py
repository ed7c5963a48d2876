"""A browsable view of every pair of a loop: a static folder that needs no server."""
