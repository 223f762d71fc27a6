from __future__ import annotations

import pytest

from prior_search.report.compute import SearchCompute, compute_of, equal_tuning
from prior_search.report.incidents import incidents
from prior_search.report.tables import trial_rows
from prior_search.study import Study


def entry(search: str, spent: int, confirmation: int = 0) -> SearchCompute:
    return SearchCompute(
        search=search,
        planned=1000,
        spent=spent,
        confirmation=confirmation,
        num_runs=9,
        open_runs=0,
        wall_seconds=1.0,
    )


def test_planned_and_spent_steps_are_counted_by_search(finished_study: Study) -> None:
    rows = trial_rows(finished_study.events)
    prior, td = compute_of(finished_study.request, rows)
    assert prior.planned == td.planned == 6 * 25 + 9 * 100
    own = [r for r in rows if r.spec.search == "td"]
    assert td.spent == sum(7 if r.state == "diverged" else r.spec.horizon for r in own)
    assert td.open_runs == 0
    assert td.confirmation == sum(r.steps for r in own if r.spec.stage == "confirm") > 0
    attempts = [e for e in finished_study.events if e["event"] == "trial_ended"]
    assert prior.wall_seconds + td.wall_seconds == 2.0 * len(attempts)


def test_a_run_that_the_user_stopped_is_open_and_its_steps_are_not_spent(
    finished_study: Study,
) -> None:
    rows = trial_rows(finished_study.events)
    before = compute_of(finished_study.request, rows)[1]
    stopped = next(r for r in rows if r.spec.search == "td" and r.spec.horizon == 100)
    stopped.state = "stopped"
    after = compute_of(finished_study.request, rows)[1]
    assert after.spent == before.spent - 100
    assert after.open_runs == 1


@pytest.mark.parametrize(
    ("spent", "verdict"),
    [((1000, 1000), "equal"), ((1000, 1010), "equal"), ((1000, 1011), "unequal")],
)
def test_searches_within_a_hundredth_had_the_same_tuning(
    spent: tuple[int, int], verdict: str
) -> None:
    found = equal_tuning([entry("prior", spent[0]), entry("td", spent[1])], is_finished=True)
    assert found.verdict == verdict
    assert f"PRIOR {spent[0]:,}, TD {spent[1]:,}" in found.reason


def test_a_search_that_was_sure_earlier_had_the_same_tuning() -> None:
    found = equal_tuning([entry("prior", 900, 200), entry("td", 1000, 300)], is_finished=True)
    assert found.verdict == "equal"
    assert "confirmation, which ends once the best is separated: PRIOR 200, TD 300" in found.reason


def test_what_cannot_be_compared_is_not_called_equal() -> None:
    both = [entry("prior", 0), entry("td", 0)]
    assert equal_tuning(both, is_finished=False).verdict == "unfinished"
    assert equal_tuning(both[:1], is_finished=True).verdict == "single"
    gone = equal_tuning([entry("prior", 0), entry("td", 5)], is_finished=True)
    assert gone.verdict == "unequal"
    assert "one spent none" in gone.reason


def test_every_loss_retry_and_divergence_is_listed_in_order(
    finished_study: Study, hostile: str
) -> None:
    found = [(i.run, i.kind, i.text) for i in incidents(finished_study.events)]
    assert ("t0001, attempt 1", "diverged", "loss is nan at step 7") in found
    lost = ("t0002, attempt 1", "lost", hostile)
    retry = ("t0002, attempt 2", "retry", f"handed out again: {hostile}")
    assert found.index(lost) + 1 == found.index(retry)
    assert len(found) == 3
