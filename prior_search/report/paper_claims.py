"""The seven claims of the paper as contrasts of measured numbers; some hold several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prior_search.report import published
from prior_search.report.claims import Claim, Contrast, JudgedClaim, judge
from prior_search.report.contrasts import NAMES, at, at_full, between
from prior_search.report.results import ACCURACY, Arm, Results
from prior_search.trial import FAMILIES

FLAT_POINTS = 2.0  # a gain below so many points of accuracy is "almost flat" (ours)
COLLAPSE_SHARE = 0.5  # of PRIOR's accuracy; less is a collapse (ours)
CLASS = f"{ACCURACY}class"


def claim_table(results: Results) -> list[JudgedClaim]:
    """Every claim with its verdict on what a study has measured."""
    return judge(paper_claims(results))


def paper_claims(results: Results) -> list[Claim]:
    """All claims, in the order of the paper."""
    claims: list[Claim] = []
    for build in (
        _lowest_loss,
        _itd_against_td,
        _matched_direction,
        _best_accuracy,
        _flat_td,
        _collapse,
        _reconstruction,
    ):
        claims += build(results)
    return claims


def _lowest_loss(results: Results) -> Iterable[Claim]:
    for letter, family in zip("abc", FAMILIES, strict=True):
        losses = {b: published.NT_XENT[family, b, "tuned"] for b in NAMES}
        yield _claim(
            f"1{letter}",
            f"{family}: PRIOR has the lowest validation NT-Xent",
            ", ".join(f"{NAMES[b]} {v:.3f}" for b, v in losses.items()),
            [at_full(results, family, ("prior", b), "nt_xent", -1) for b in ("itd", "td")],
            "the NT-Xent of all three bottlenecks",
        )


def _itd_against_td(results: Results) -> Iterable[Claim]:
    for letter, family, better in zip("abc", FAMILIES, ("td", "itd", "itd"), strict=True):
        worse = "itd" if better == "td" else "td"
        shown = [
            f"{NAMES[b]} {published.NT_XENT[family, b, 'tuned']:.3f}" for b in (better, worse)
        ]
        yield _claim(
            f"2{letter}",
            f"{family}: {NAMES[better]} has a lower validation NT-Xent than {NAMES[worse]}",
            ", ".join(shown),
            [at_full(results, family, (better, worse), "nt_xent", -1)],
            "the NT-Xent of ITD and TD",
        )


def _matched_direction(results: Results) -> Iterable[Claim]:
    for metric, what in (("nt_xent", "validation NT-Xent"), (CLASS, "class accuracy")):
        for family in FAMILIES:
            arms: tuple[Arm, ...] = ("tuned", "matched")
            shown = "Fig. 3: similar direction and magnitude"
            if metric == "nt_xent":
                differences = [
                    published.NT_XENT[family, "itd", a] - published.NT_XENT[family, "td", a]
                    for a in arms
                ]
                shown = "ITD - TD {:+.3f} tuned, {:+.3f} matched".format(*differences)
            letter = "abcdef"[3 * (metric == CLASS) + FAMILIES.index(family)]
            yield _claim(
                f"3{letter}",
                f"{family}: with matched weights, ITD and TD differ in {what} the same way",
                shown,
                [at_full(results, family, ("itd", "td"), metric, 0, arm) for arm in arms],
                "ITD and TD in both arms",
            )


def _best_accuracy(results: Results) -> Iterable[Claim]:
    letters = iter("abcdefghijkl")
    for family in FAMILIES:
        for level in published.LEVELS:
            is_exception = (family, level) == ("gaussian", "class")
            best, others = ("itd", ("prior", "td")) if is_exception else ("prior", ("itd", "td"))
            shown = [
                f"{NAMES[b]} {published.accuracy(family, b, level, published.BUDGETS[-1]):.2f}"
                for b in (best, *others)
            ]
            yield _claim(
                f"4{next(letters)}",
                f"{family}, {level}: {NAMES[best]} has the highest accuracy at full budget",
                "at 127 tokens: " + ", ".join(shown),
                [at_full(results, family, (best, b), ACCURACY + level, 1) for b in others],
                f"the {level} accuracy of all three bottlenecks",
            )


def _flat_td(results: Results) -> Iterable[Claim]:
    budgets = results.budgets(CLASS)
    found: list[Contrast | None] = [None]
    if budgets:
        means = {b: _mean(results.by_seed("gaussian", "td", CLASS, b)) for b in budgets}
        peak = max(budgets, key=lambda b: means[b])
        found = [
            between(
                f"TD at {peak} tokens - at {budgets[0]}, beyond {FLAT_POINTS:g} points",
                results.by_seed("gaussian", "td", CLASS, peak),
                results.by_seed("gaussian", "td", CLASS, budgets[0]),
                -1,
                offset=FLAT_POINTS,
            )
        ]
    yield _claim(
        "5",
        f"gaussian: TD is almost flat over budgets, gaining less than {FLAT_POINTS:g} points of "
        "class accuracy",
        "76.91 at one token, 77.95 at best",
        found,
        "the class accuracy of TD",
    )


def _collapse(results: Results) -> Iterable[Claim]:
    full = max(results.budgets(CLASS), default=0)
    prior = results.by_seed("ema_vq", "prior", CLASS, full)
    half = {seed: COLLAPSE_SHARE * value for seed, value in prior.items()}
    for letter, bottleneck in (("a", "itd"), ("b", "td")):
        peaks = [_published_peak("ema_vq", b, "class") for b in (bottleneck, "prior")]
        own = results.by_seed("ema_vq", bottleneck, CLASS, full)
        name = NAMES[bottleneck]
        yield _claim(
            f"6{letter}",
            f"ema_vq: {name} collapses, to less than half of PRIOR's class accuracy",
            f"best over budgets: {name} {peaks[0]}, PRIOR {peaks[1]}",
            [between(f"{name} - half of PRIOR, points", own, half, -1)],
            f"the class accuracy of {name} and PRIOR",
        )


def _reconstruction(results: Results) -> Iterable[Claim]:
    budgets = results.budgets("ssim")
    late, latest = [b for b in budgets if b >= 15], [b for b in budgets if b >= 31]
    family = next((r.family for r in results.rows if r.metric == "ssim"), "gaussian")

    def above(best: str, others: Sequence[str], where: Sequence[int]) -> list[Contrast | None]:
        pairs = [(b, other) for b in where for other in others]
        return [at(results, family, (best, other), "ssim", b, 1) for b, other in pairs] or [None]

    below = [at(results, family, ("itd", b), "ssim", 1, -1) for b in ("prior", "td")]
    full = max(budgets, default=0)
    for letter, text, shown, found, needed in (
        ("a", "TD has the highest SSIM at one token", "TD .5778, PRIOR .5370, ITD .4403",
         above("td", ("prior", "itd"), (1,)), "SSIM at one token"),
        ("b", "ITD has the lowest SSIM at one token", "ITD .4403, PRIOR .5370, TD .5778",
         below, "SSIM at one token"),
        ("c", "ITD passes TD from 15 tokens on", "at 15: ITD .6851, TD .6734",
         above("itd", ("td",), late), "SSIM at 15 tokens or more"),
        ("d", "PRIOR passes both from 31 tokens on", "at 31: PRIOR .7232, ITD .6968, TD .6849",
         above("prior", ("itd", "td"), latest), "SSIM at 31 tokens or more"),
        ("e", "PRIOR has the highest SSIM at full budget", "PRIOR .7639, ITD .6990, TD .6860",
         above("prior", ("itd", "td"), (full,)), "SSIM at full budget"),
    ):  # fmt: skip
        yield _claim(f"7{letter}", f"reconstruction: {text}", shown, found, needed)


# --- building blocks


def _claim(
    number: str, text: str, shown: str, found: Sequence[Contrast | None], needed: str
) -> Claim:
    """A claim; what was not measured of ``needed`` is said."""
    measured = tuple(c for c in found if c is not None)
    missing = "" if len(measured) == len(found) else f"not measured: {needed}"
    return Claim(number=number, text=text, published=shown, contrasts=measured, missing=missing)


def _published_peak(family: str, bottleneck: str, level: str) -> float:
    values = [published.accuracy(family, bottleneck, level, b) for b in published.BUDGETS]
    return max(v for v in values if v is not None)


def _mean(values: Mapping[int, float]) -> float:
    return sum(values.values()) / len(values) if values else float("-inf")
