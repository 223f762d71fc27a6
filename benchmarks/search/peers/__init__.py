"""Other search methods behind the same protocol, each in its best fitting setting.

What holds for all of them: a peer sees the unit cube (the weights' logarithms), is asked whenever
one of the four workers is free, and is told every result as it comes. A diverged run, where a
library has no word for it, is told as the worst value completed so far: what its users do. A peer
that only knows observed points recommends the best of its own completed long runs; one that has a
recommendation of its own (Ax, CMA-ES, SMAC) gives that. No peer is told the noise: none is known
to a user. Startup counts were chosen on the tuning surfaces; see docs/search_benchmark.md.

Each file needs its own extra of pyproject.toml and is imported only when its method is asked for.
"""
