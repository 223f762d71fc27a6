"""The published numbers: Tables 3 to 5 of Ayari, Traub and Butz (2026), arXiv:2606.25232v1.

Table 2 is where parameters are counted, in ``models.parameter_counts``.
"""

from __future__ import annotations

BUDGETS = (1, 3, 7, 15, 31, 63, 127)
LEVELS = ("coarse", "mid", "fine", "class")
BOTTLENECKS = ("prior", "itd", "td")  # in the order of the columns
RECONSTRUCTION_BUDGETS = (1, 15, 31, 127)

# Table 3, validation NT-Xent by family, bottleneck and arm
NT_XENT: dict[tuple[str, str, str], float] = {
    ("gaussian", "prior", "tuned"): 1.244,
    ("gaussian", "itd", "tuned"): 1.337,
    ("gaussian", "itd", "matched"): 1.391,
    ("gaussian", "td", "tuned"): 1.288,
    ("gaussian", "td", "matched"): 1.424,
    ("categorical", "prior", "tuned"): 1.400,
    ("categorical", "itd", "tuned"): 1.844,
    ("categorical", "itd", "matched"): 2.137,
    ("categorical", "td", "tuned"): 2.881,
    ("categorical", "td", "matched"): 2.664,
    ("ema_vq", "prior", "tuned"): 1.350,
    ("ema_vq", "itd", "tuned"): 1.426,
    ("ema_vq", "itd", "matched"): 1.994,
    ("ema_vq", "td", "tuned"): 2.183,
    ("ema_vq", "td", "matched"): 2.376,
}

# Table 4, probe accuracy in percent: per family and budget the levels of PRIOR, ITD and TD
# fmt: off
_ACCURACY: dict[str, dict[int, tuple[float, ...]]] = {
    "gaussian": {
        1: (70.11, 60.46, 44.60, 49.23, 73.35, 63.95, 51.68, 73.49, 74.45, 65.23, 53.10, 76.91),
        3: (71.22, 61.46, 46.05, 56.45, 73.75, 64.67, 52.27, 76.12, 74.62, 66.25, 53.97, 77.60),
        7: (72.46, 63.19, 48.67, 62.91, 74.20, 65.56, 53.32, 77.72, 74.94, 65.95, 54.16, 77.64),
        15: (74.32, 65.33, 51.88, 68.71, 74.60, 66.09, 54.05, 79.70, 74.71, 66.00, 54.18, 77.75),
        31: (77.55, 68.82, 56.17, 73.01, 75.07, 66.64, 55.26, 80.58, 74.76, 66.06, 54.28, 77.75),
        63: (82.70, 73.52, 63.65, 78.95, 75.75, 67.57, 56.72, 81.75, 74.80, 65.53, 54.12, 77.95),
        127: (82.94, 75.46, 64.97, 79.74, 76.82, 68.78, 58.57, 80.30, 74.80, 66.23, 54.53, 77.35),
    },
    "categorical": {
        1: (75.37, 65.42, 48.32, 24.16, 63.66, 54.03, 36.49, 7.96, 63.22, 53.68, 36.38, 6.48),
        3: (80.27, 71.05, 56.14, 48.17, 68.70, 59.02, 42.25, 22.11, 67.36, 57.67, 40.99, 16.28),
        7: (81.14, 72.44, 58.45, 59.11, 72.35, 62.85, 47.10, 35.91, 70.66, 61.16, 44.42, 24.34),
        15: (82.87, 74.41, 61.67, 66.63, 74.92, 65.58, 51.08, 45.41, 73.49, 64.05, 48.01, 35.61),
        31: (83.85, 75.95, 64.88, 71.94, 76.83, 67.56, 53.64, 50.92, 77.42, 68.16, 54.33, 49.50),
        63: (86.07, 79.51, 68.43, 77.17, 78.89, 70.45, 56.59, 54.91, 79.45, 70.81, 57.88, 58.02),
        127: (88.01, 80.45, 70.37, 75.81, 81.73, 73.40, 60.97, 61.87, 79.73, 71.32, 58.51, 63.67),
    },
    "ema_vq": {
        1: (63.28, 52.93, 35.03, 4.55, 62.83, 52.68, 34.74, 4.37, 62.50, 51.68, 27.87, 9.74),
        3: (68.44, 58.68, 40.78, 20.50, 62.79, 52.51, 34.75, 6.18, 65.50, 52.25, 33.28, 14.40),
        7: (71.85, 61.80, 45.82, 40.71, 65.87, 56.17, 39.08, 17.75, 67.42, 56.15, 31.61, 15.35),
        15: (76.21, 67.16, 52.68, 54.16, 66.52, 56.45, 39.22, 18.06, 67.59, 55.82, 34.82, 15.90),
        31: (78.16, 69.83, 56.01, 60.03, 66.48, 56.86, 39.43, 17.30, 67.01, 57.00, 35.54, 15.00),
        63: (80.50, 70.98, 60.01, 64.63, 69.02, 58.56, 40.73, 26.37, 67.21, 54.57, 35.63, 14.91),
        127: (81.57, 73.31, 61.86, 69.42, 67.33, 56.72, 37.05, 24.97, 66.75, 57.25, 35.63, 13.77),
    },
}
# fmt: on


def accuracy(family: str, bottleneck: str, level: str, budget: int) -> float | None:
    """Table 4, percent; None for a budget that was not published."""
    row = _ACCURACY[family].get(budget)
    column = len(LEVELS) * BOTTLENECKS.index(bottleneck) + LEVELS.index(level)
    return None if row is None else row[column]


# Table 5, validation means by metric and bottleneck, at RECONSTRUCTION_BUDGETS
RECONSTRUCTION: dict[tuple[str, str], tuple[float, ...]] = {
    ("ssim", "prior"): (0.5370, 0.6777, 0.7232, 0.7639),
    ("ssim", "itd"): (0.4403, 0.6851, 0.6968, 0.6990),
    ("ssim", "td"): (0.5778, 0.6734, 0.6849, 0.6860),
    ("l1", "prior"): (0.0833, 0.0420, 0.0348, 0.0301),
    ("l1", "itd"): (0.1716, 0.0411, 0.0385, 0.0379),
    ("l1", "td"): (0.0725, 0.0440, 0.0419, 0.0419),
    ("l2", "prior"): (0.0143, 0.0044, 0.0031, 0.0023),
    ("l2", "itd"): (0.0585, 0.0043, 0.0038, 0.0037),
    ("l2", "td"): (0.0116, 0.0047, 0.0043, 0.0043),
    ("ms_ssim", "prior"): (0.7156, 0.9184, 0.9505, 0.9699),
    ("ms_ssim", "itd"): (0.4882, 0.9227, 0.9348, 0.9366),
    ("ms_ssim", "td"): (0.7669, 0.9127, 0.9247, 0.9250),
}

# section 2.5: parameters of the reconstruction models at full budget, millions
RECONSTRUCTION_PARAMETERS: dict[str, float] = {"mbop": 11.479, "prior": 11.761}
