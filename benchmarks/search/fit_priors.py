"""What hyperparameters noiseless tuning surfaces have: the priors in ``layout.py``, fitted.

    OMP_NUM_THREADS=1 python -m benchmarks.search.fit_priors [--seeds 730-745]

The surrogate is fitted to noiseless runs at random points (``noiseless.py``) of each tuning
surface, those of weights and the standard functions. Printed are mean, standard deviation and the
10 %, 50 % and 90 % quantiles of each hyperparameter, and what the prior says. Noise is not fitted
but taken from the surface.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np

from benchmarks.search.noiseless import Noiseless
from benchmarks.search.surfaces import surface, tuning_weights
from benchmarks.search.tuning_functions import tuning_names
from prior_search.search.layout import Layout, layouts, prior_of

LENGTHS = ("log length scale", "log length scale of delta")  # grow with the root of d


def parts(layout: Layout, theta: np.ndarray) -> dict[str, np.ndarray]:
    """Theta, or something of each of its entries, by name."""
    found = {
        LENGTHS[0]: theta[layout.latent],
        LENGTHS[1]: theta[layout.discrepancy],
        "log scale": theta[[layout.scale]],
        "rho": theta[layout.rho],
        "log share of delta": theta[layout.share],
        "log noise variance, long": theta[[layout.noise.start]],
        "log noise variance, short": theta[[layout.noise.start + 1]],
    }
    if layout.has_bowl:
        d = layout.dimension
        names = ("log height", "center", "log curvature", "skew", "shear")
        pieces = np.split(theta[layout.bowl], np.cumsum([1, d, d, d]))
        found |= dict(zip(names, pieces, strict=True))
    return found


def at_one(part: str, layout: Layout, values: np.ndarray) -> np.ndarray:
    """What the values would be at d = 1."""
    return values - 0.5 * np.log(layout.dimension) if part in LENGTHS else values


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", default="730-745", help="of the surfaces, first-last")
    weights = tuning_weights(parser.parse_args().seeds)
    fitted: dict[tuple[str, bool, str], list[np.ndarray]] = defaultdict(list)
    for name in (*weights, *tuning_names()):
        known = surface(name)
        noiseless = Noiseless.of(known)
        kind = "weights" if name in weights else "functions"
        for layout in layouts(known.dimension, 2):
            for part, values in parts(layout, noiseless.fit(layout)).items():
                fitted[kind, layout.has_bowl, part].append(at_one(part, layout, values))
    prior: dict[tuple[bool, str], tuple[float, float]] = {}
    for layout in layouts(2, 2):
        middle, sd = (parts(layout, values) for values in prior_of(layout))
        for part, values in middle.items():
            center = at_one(part, layout, values)[0]
            prior[layout.has_bowl, part] = float(center), float(sd[part][0])
    quantiles = "10, 50, 90 %"
    print(f"{'surfaces':10s} {'bowl':5s} {'':26s} {'mean':>6s} {'sd':>5s} {quantiles:>20s}  prior")
    for (kind, bowl, part), groups in fitted.items():
        values = np.concatenate(groups)
        quantiles = " ".join(f"{q:6.2f}" for q in np.quantile(values, [0.1, 0.5, 0.9]))
        center, width = prior[bowl, part]
        print(
            f"{kind:10s} {'yes' if bowl else 'no':5s} {part:26s} {values.mean():6.2f} "
            f"{values.std():5.2f} {quantiles}  {center:.2f} ± {width:.2f}"
        )


if __name__ == "__main__":
    main()
