"""The weighted sum of a model's regularizer terms."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from prior_search.weights import RegularizerWeights


def weighted_penalty(terms: Mapping[str, Tensor], weights: RegularizerWeights) -> Tensor:
    """Sum of weight times term, a scalar.

    Raises:
        ValueError: a positive weight without its term, or a term that no weight belongs to.
    """
    by_term = weights.by_term()
    unknown = sorted(terms.keys() - by_term.keys())
    if unknown:
        raise ValueError(f"terms without a weight: {unknown}; weights exist for {list(by_term)}")
    unused = [name for name, weight in by_term.items() if weight > 0 and name not in terms]
    if unused:
        raise ValueError(f"weights without a term: {unused}; the model emits {sorted(terms)}")
    return torch.stack([by_term[name] * term for name, term in terms.items()]).sum()
