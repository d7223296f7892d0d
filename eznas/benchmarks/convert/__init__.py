"""Readers of other projects' files: the only place where something is unpickled, by an allow-list."""
