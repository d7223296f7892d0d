"""The commands as functions: each returns an object with the results."""
