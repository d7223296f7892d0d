"""Conformance suites for whoever adds a measure, a search space, a network or a search algorithm."""
