"""The commands as Python functions; each returns an object that shows itself."""
