"""Readers of other projects' files; pickles are read by an allow-list."""
