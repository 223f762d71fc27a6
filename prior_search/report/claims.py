"""What the paper claims, and what a study says of it: holds, does not hold, not decidable.

Every claim rests on contrasts, which are paired differences over seeds with an expected sign.
All p values of a study are corrected together. A claim holds if all of its contrasts are clear and
have the expected sign, and does not hold if one is clear and has the other sign.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from prior_search.report.statistics import LEVEL, PairedDifference, holm

Verdict = Literal["holds", "does not hold", "not decidable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """A difference that a claim rests on.

    Attributes:
        sign: +1 or -1, what the claim expects of ``difference``; 0: as the claim's first contrast.
    """

    label: str
    difference: PairedDifference
    sign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim before it is judged.

    Attributes:
        number: of the seven, with a letter where one is split.
        published: what the paper reports.
        contrasts: empty if the study has not measured what the claim is about.
        missing: what it has not measured.
    """

    number: str
    text: str
    published: str
    contrasts: tuple[Contrast, ...]
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedClaim:
    """A claim with its verdict; ``evidence`` has one line per contrast, or why there is none."""

    number: str
    text: str
    published: str
    verdict: Verdict
    evidence: tuple[str, ...]


def judge(claims: Sequence[Claim]) -> list[JudgedClaim]:
    """Verdicts, with Holm's correction over all contrasts of all claims."""
    adjusted = iter(holm([c.difference.p for claim in claims for c in claim.contrasts]))
    judged = []
    for claim in claims:
        p = [next(adjusted) for _ in claim.contrasts]
        clear = [_clear_sign(c, value) for c, value in zip(claim.contrasts, p, strict=True)]
        evidence = [_evidence(c, value) for c, value in zip(claim.contrasts, p, strict=True)]
        judged.append(
            JudgedClaim(
                number=claim.number,
                text=claim.text,
                published=claim.published,
                verdict=_verdict(claim, clear),
                evidence=(*evidence, *([claim.missing] if claim.missing else [])),
            )
        )
    return judged


def _clear_sign(contrast: Contrast, p: float) -> int:
    """The sign of a difference that the test and the interval agree on; 0 if they do not."""
    d = contrast.difference
    if math.isnan(p) or p >= LEVEL or d.low <= 0.0 <= d.high:
        return 0
    return 1 if d.mean > 0 else -1


def _verdict(claim: Claim, clear: Sequence[int]) -> Verdict:
    wanted = [c.sign or clear[0] for c in claim.contrasts]
    if any(found == -sign != 0 for found, sign in zip(clear, wanted, strict=True)):
        return "does not hold"
    is_complete = bool(claim.contrasts) and not claim.missing
    if is_complete and all(found == sign != 0 for found, sign in zip(clear, wanted, strict=True)):
        return "holds"
    return "not decidable"


def _evidence(contrast: Contrast, p: float) -> str:
    d = contrast.difference
    if d.num_seeds == 0:
        return f"{contrast.label}: no seed in common"
    if math.isnan(d.p):
        return f"{contrast.label}: {d.mean:+.3g} with one seed, which decides nothing"
    shown = "< 0.001" if p < 0.001 else f"= {p:.3f}"
    return (
        f"{contrast.label}: {d.mean:+.3g}, 95 % interval {d.low:+.3g} to {d.high:+.3g}, "
        f"p {shown} after Holm, {d.num_seeds} seeds"
    )
