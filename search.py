"""Search the regularizer weights of ordered bottlenecks; the same as ``prior-search search``."""

import sys

from prior_search.cli import main

if __name__ == "__main__":
    sys.exit(main(["search", *sys.argv[1:]]))
