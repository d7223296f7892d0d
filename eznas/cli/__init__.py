"""Command lines, one a file: each parses what it is given, calls the library, prints, and sets the exit code."""
