"""Evolution of formulas over tables of scores: no network is run.

Start reading at ``evolution``. A ``graph`` keeps the distinct nodes of all programs with their values on a racing
subset of the architectures; ``variation`` makes thousands of children with array operations; ``evaluation``
computes their taus, first on the subset, then on all training architectures.
"""
