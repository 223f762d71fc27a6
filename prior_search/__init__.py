"""Two-stage, Ray-distributed hyperparameter search for ordered-bottleneck models.

The science is that of "Semantic Allocation in Ordered Bottlenecks" (arXiv:2606.25232); numbers of
equations and tables in this package refer to it.
"""

__version__ = "0.1.0"
