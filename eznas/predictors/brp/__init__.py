"""BRP-NAS: a graph network that compares two architectures, and its iterative sampling."""
