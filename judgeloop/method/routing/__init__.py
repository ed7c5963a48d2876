"""Routing: which kind a question has, by its form alone; never by a reference answer."""
