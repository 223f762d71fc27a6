"""Token families of Table 1, a file each: sampling, masked state, regularizers and usage."""

from prior_search.tokens.categorical import CategoricalTokens
from prior_search.tokens.ema_vq import EmaVqTokens
from prior_search.tokens.gaussian import GaussianTokens
from prior_search.tokens.protocol import TokenFamily, Tokens

__all__ = ["CategoricalTokens", "EmaVqTokens", "GaussianTokens", "TokenFamily", "Tokens"]
