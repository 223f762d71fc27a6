from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from prior_search.report.comparison import ComparisonInput, compare, write_comparison
from prior_search.report.comparison_charts import WeightMove
from prior_search.report.compute import EqualTuning
from prior_search.report.pictures import picture_table
from prior_search.report.results import Result, Results


def results() -> Results:
    """Two seeds of two models at three budgets, and a control."""
    rows = []
    for bottleneck, arm in (("prior", "tuned"), ("td", "tuned"), ("td", "matched")):
        for seed in range(2):
            for k in (1, 3, 7):
                for metric, value in (
                    ("accuracy.class", 10.0 * k + seed),
                    ("accuracy.coarse", 20.0 + seed),
                    ("information_bits", float(k - 1)),  # the first prefix carries nothing
                    ("ssim", 0.1 * k),
                ):
                    rows.append(
                        Result(
                            family="gaussian",
                            bottleneck=bottleneck,  # type: ignore[arg-type]
                            arm=arm,  # type: ignore[arg-type]
                            seed=seed,
                            budget=k,
                            metric=metric,
                            value=value,
                        )
                    )
    return Results(rows)


def test_a_comparison_is_written_as_page_tables_and_figures(tmp_path: Path, hostile: str) -> None:
    picture = np.zeros((1, 3, 4, 4))
    page = write_comparison(
        compare(
            ComparisonInput(
                title=hostile,
                results=results(),
                tuning={hostile: EqualTuning(verdict="equal", reason="each the same")},
                moves=[
                    WeightMove(
                        family="gaussian",
                        bottleneck="td",
                        weight="kl_weight",
                        tuned=0.1,
                        matched=0.2,
                    )
                ],
                pictures=picture_table(picture, {"td": np.ones((1, 3, 3, 4, 4))}, (1, 3, 7)),
                facts={hostile: hostile},
            )
        ),
        tmp_path,
    )
    text = page.read_text()
    assert "<script>document" not in text
    assert text.count("data:image/png;base64,") == 4
    assert "kl ↑" in text
    names = {p.stem for p in (tmp_path / "figures").glob("*.svg")}
    assert names == {
        "figure-2-gaussian-class", "figure-2-gaussian-coarse", "figure-3-gaussian", "figure-4",
    }  # fmt: skip
    claims = pq.read_table(tmp_path / "tables" / "claims.parquet")
    assert set(claims["verdict"].to_pylist()) <= {"holds", "does not hold", "not decidable"}
    assert (tmp_path / "tables" / "table-4-gaussian.csv").exists()
    assert not (tmp_path / "tables" / "table-3.csv").exists()  # no NT-Xent was measured


def test_an_empty_study_is_a_page_that_says_so(tmp_path: Path) -> None:
    page = write_comparison(compare(ComparisonInput(title="empty", results=Results([]))), tmp_path)
    assert "No final model has been evaluated yet." in page.read_text()


@pytest.mark.parametrize(
    ("tuned", "matched", "arrow"), [(1.0, 2.0, "↑"), (2.0, 1.0, "↓"), (1.0, 1.0, "=")]
)
def test_an_arrow_points_where_the_control_moved(tuned: float, matched: float, arrow: str) -> None:
    move = WeightMove(
        family="gaussian", bottleneck="td", weight="kl_weight", tuned=tuned, matched=matched
    )
    assert move.arrow == arrow


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"td: pictures must be \(1, 2, 3, 4, 4\)"):
        picture_table(np.zeros((1, 3, 4, 4)), {"td": np.zeros((1, 3, 3, 4, 4))}, (1, 3))
