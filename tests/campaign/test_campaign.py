from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from prior_search.campaign import (
    CampaignPlan,
    comparison_input,
    outcomes,
    planned_runs,
    planned_work,
)
from prior_search.campaign.ground import only_driver
from prior_search.errors import RequestError
from prior_search.event_log import read_events
from prior_search.report.comparison import compare
from prior_search.runner import WorkerSettings
from prior_search.trial import TrialResult, TrialSpec
from tests.campaign.conftest import Bench

MakePlan = Callable[..., CampaignPlan]


def keys(specs: list[TrialSpec]) -> Counter[tuple[object, ...]]:
    return Counter((s.study, s.search, s.stage, s.trial, s.replicate) for s in specs)


def test_every_part_runs_once_and_a_control_trains_nothing_again(
    bench: Bench, change_plan: MakePlan
) -> None:
    plan = change_plan()
    bench.work(bench.open(plan))
    assert set(keys(bench.trained).values()) == {1}
    searched = [s.training for s in bench.trained if s.stage not in ("final", "evaluation")]
    assert len(set(searched)) == len(searched)
    stages = Counter((s.study.removeprefix("trial-run-"), s.stage) for s in bench.trained)
    reused = 0
    for family in ("gaussian", "ema_vq"):
        own = f"{family}-contrastive"
        assert stages[own, "stage1"] == 4
        assert stages[own, "stage2"] + stages[own, "confirm"] == 6
        assert stages[f"{own}-control", "stage1"] == 0
        for study in (own, f"{own}-control"):
            assert stages[f"{study}-final", "final"] == 4
            assert stages[f"{study}-final", "evaluation"] == 4
        events = read_events(bench.root / f"trial-run-{own}-control" / "events.jsonl")
        reused += sum("reused" in event for event in events)
    total = planned_runs(plan, plan.studies())
    assert bench.ended[-1].num_ended == total == len(bench.trained) + reused


def test_work_that_was_planned_is_the_work_that_is_done(
    bench: Bench, change_plan: MakePlan
) -> None:
    plan = change_plan("contrastive.families=['gaussian']", "contrastive.matched_control=false")
    bench.work(bench.open(plan))
    steps: Counter[str] = Counter()
    for spec in bench.trained:
        if spec.stage != "evaluation":
            steps[spec.bottleneck] += spec.horizon
    assert planned_work(plan, plan.studies()[0]) == steps


def test_final_trainings_of_all_configurations_have_common_seeds(
    bench: Bench, change_plan: MakePlan
) -> None:
    bench.work(bench.open(change_plan()))
    by_replicate: dict[int, set[int]] = {}
    for spec in bench.trained:
        if spec.stage == "final":
            by_replicate.setdefault(spec.replicate, set()).add(spec.seed)
    assert [len(seeds) for seeds in by_replicate.values()] == [1, 1]
    assert not by_replicate[0] & by_replicate[1]


@pytest.mark.parametrize("after", [3, 25, 41])
def test_a_campaign_that_is_cut_short_goes_on_with_nothing_lost_or_done_twice(
    bench: Bench, change_plan: MakePlan, after: int
) -> None:
    plan = change_plan()
    first = bench.open(plan)
    bench.work(first, runs=after)
    first.close()
    ended = {
        (e.part, e.spec.stage, e.spec.bottleneck, e.spec.trial, e.spec.replicate)
        for e in bench.ended
    }
    bench.work(bench.open(plan))
    again = [
        (e.part, e.spec.stage, e.spec.bottleneck, e.spec.trial, e.spec.replicate)
        for e in bench.ended[after:]
    ]
    assert not ended & set(again), "what had ended was done again"
    assert bench.ended[-1].num_ended == planned_runs(plan, plan.studies())
    assert not bench.said


def test_a_finished_campaign_has_nothing_to_do(bench: Bench, change_plan: MakePlan) -> None:
    plan = change_plan()
    bench.work(bench.open(plan))
    again = bench.open(plan)
    assert again.is_finished
    assert again.num_ended == planned_runs(plan, plan.studies())


def test_a_part_whose_inputs_changed_is_done_anew_and_the_others_are_not(
    bench: Bench, change_plan: MakePlan
) -> None:
    bench.work(bench.open(change_plan()))
    count = len(bench.trained)
    bench.work(bench.open(change_plan("contrastive.final_seeds=3")))
    more = bench.trained[count:]
    assert {s.replicate for s in more} == {2}, "only the third seed is new"
    assert {s.stage for s in more} == {"final", "evaluation"}

    count = len(bench.trained)
    bench.work(bench.open(change_plan("contrastive.budget.stage2_trials=3")))
    assert len(bench.said) == 4, "two searches and their controls"
    assert all("inputs of" in line for line in bench.said)
    moved = {path.name for path in (bench.root / "superseded").iterdir()}
    assert moved == {
        f"trial-run-{family}-contrastive{kind}-0"
        for family in ("gaussian", "ema_vq")
        for kind in ("", "-control")
    }
    assert len(bench.trained) > count


def test_other_data_under_the_same_name_is_another_input(
    bench: Bench, change_plan: MakePlan
) -> None:
    plan = change_plan("contrastive.families=['gaussian']")
    bench.work(bench.open(plan))
    again = bench.open(plan, fingerprint="other")
    assert not again.is_finished
    again.close()
    assert any("the inputs of trial-run-gaussian-contrastive have" in s for s in bench.said)


def test_a_lost_evaluation_comes_again_and_a_failing_one_is_named(
    bench: Bench, change_plan: MakePlan
) -> None:
    plan = change_plan("contrastive.families=['gaussian']", "contrastive.matched_control=false")
    campaign = bench.open(plan)
    tries: Counter[str] = Counter()
    while not campaign.is_finished:
        spec = campaign.next_trial()
        assert spec is not None
        if spec.stage != "evaluation" or spec.replicate:
            campaign.record(bench.run(campaign, spec))
            continue
        tries[spec.bottleneck] += 1
        status = "lost" if spec.bottleneck == "itd" and spec.attempt == 0 else "failed"
        if spec.bottleneck == "itd" and spec.attempt == 1:
            campaign.record(bench.run(campaign, spec))
        else:
            campaign.record(TrialResult.without_value(spec, status, "no luck"))  # type: ignore[arg-type]
    assert tries == {"itd": 2, "td": 2}
    (line,) = bench.said
    assert line.startswith("trial-run-gaussian-contrastive td evaluation: t")
    assert line.endswith("was not evaluated: no luck")
    models = outcomes(bench.root)[0].models.values()
    assert sorted((e.spec.bottleneck, e.spec.replicate) for e in models) == [
        ("itd", 0), ("itd", 1), ("td", 1),
    ]  # fmt: skip


def test_each_trial_is_sent_to_its_own_folder_and_data(
    bench: Bench, change_plan: MakePlan
) -> None:
    campaign = bench.open(change_plan())
    settings = WorkerSettings(data="", trials_folder="", device="cpu", num_threads=3)
    spec = campaign.next_trial()
    assert spec is not None
    own = campaign.settings_of(spec, settings)
    assert own.data == "nowhere"
    assert own.trials_folder == str(bench.root / spec.study / "trials")
    assert own.num_threads == 3
    campaign.close()


def test_a_result_that_nobody_waits_for_changes_nothing(
    bench: Bench, change_plan: MakePlan
) -> None:
    campaign = bench.open(change_plan())
    spec = campaign.next_trial()
    assert spec is not None
    campaign.record(TrialResult.without_value(spec, "lost", "gone"))
    late = bench.run(campaign, spec)
    log = bench.root / spec.study / "events.jsonl"
    before = len(read_events(log))
    campaign.record(late)
    assert len(read_events(log)) == before
    campaign.close()


def test_claims_are_judged_on_the_final_models(bench: Bench, change_plan: MakePlan) -> None:
    """ITD is half a nat better by construction, tuned and matched; one family says the reverse."""
    plan = change_plan("contrastive.final_seeds=6")
    bench.work(bench.open(plan))
    view = compare(comparison_input(bench.root, outcomes(bench.root), {}))
    verdict = {claim.number: claim.verdict for claim in view.claims}
    assert verdict["2a"] == "does not hold"  # gaussian: published TD < ITD
    assert verdict["2c"] == "holds"  # ema_vq: published ITD < TD
    assert verdict["3a"] == verdict["3c"] == "holds"  # the same sign with matched weights
    assert verdict["1a"] == "not decidable"  # PRIOR was not run
    given = view.given
    assert {move.bottleneck for move in given.moves} == {"itd", "td"}
    assert {found.verdict for found in given.tuning.values()} == {"equal", "single"}
    assert given.facts["seed"] == "3"


def test_a_control_that_finds_all_it_wants_among_past_trainings_ends_the_campaign(
    bench: Bench, change_plan: MakePlan
) -> None:
    """Nothing of it is left to record, so nobody but the question for work can notice."""
    smallest = (
        "contrastive.families=['gaussian']",
        "contrastive.budget.stage2_trials=1",
        "contrastive.budget.confirm_trials=0",
    )
    bench.work(bench.open(change_plan(*smallest, "contrastive.matched_control=false")))
    plan = change_plan(*smallest)
    campaign = bench.open(plan)
    bench.work(campaign)
    assert campaign.is_finished
    assert len(outcomes(bench.root)) == 2


def test_a_control_is_done_anew_with_the_searches_that_it_is_compared_with(
    bench: Bench, change_plan: MakePlan
) -> None:
    """Its own request is the same; the weights that its arrows start from are not."""
    one = "contrastive.families=['gaussian']"
    bench.work(bench.open(change_plan(one, "contrastive.bottlenecks=['itd', 'td']")))
    plan = change_plan(one, "contrastive.bottlenecks=['prior', 'itd', 'td']")
    bench.work(bench.open(plan))
    own, control = outcomes(bench.root)
    recommended = {
        event["search"]: event["recommendation"]["values"]
        for event in own.events
        if event["event"] == "search_finished"
    }
    moves = comparison_input(bench.root, outcomes(bench.root), {}).moves
    assert {move.bottleneck for move in moves} == {"itd", "td"}
    assert all(move.tuned == recommended[move.bottleneck]["kl_weight"] for move in moves)
    assert control.request.matched
    assert "trial-run-gaussian-contrastive-control-0" in bench.said[1]


def test_a_control_that_is_not_asked_for_any_more_is_not_shown(
    bench: Bench, change_plan: MakePlan
) -> None:
    bench.work(bench.open(change_plan()))
    bench.work(bench.open(change_plan("contrastive.matched_control=false")))
    assert [outcome.arm for outcome in outcomes(bench.root)] == ["tuned", "tuned"]


def test_seeds_of_all_models_are_pairs(bench: Bench, change_plan: MakePlan) -> None:
    bench.work(bench.open(change_plan("contrastive.families=['gaussian']")))
    results = comparison_input(bench.root, outcomes(bench.root), {}).results
    for arm in ("tuned", "matched"):
        first, second = (
            results.by_seed("gaussian", bottleneck, "nt_xent", 3, arm)  # type: ignore[arg-type]
            for bottleneck in ("itd", "td")
        )
        assert first.keys() == second.keys() == {0, 1}
        assert all(second[seed] - first[seed] == pytest.approx(0.5, abs=0.02) for seed in first)


def test_a_record_of_an_evaluation_that_cannot_be_read_is_made_again(
    bench: Bench, change_plan: MakePlan
) -> None:
    plan = change_plan("contrastive.families=['gaussian']", "contrastive.matched_control=false")
    bench.work(bench.open(plan))
    record = next(bench.root.glob("*/final/*/trials/*/evaluation.json"))
    whole = record.read_text()
    record.write_text(whole.replace('"format": 2', '"format": 1'))
    count = len(bench.trained)
    bench.work(bench.open(plan))
    assert [spec.stage for spec in bench.trained[count:]] == ["evaluation"]
    assert record.read_text() == whole


def test_a_final_training_that_fails_is_tried_again_and_then_named(
    bench: Bench, change_plan: MakePlan
) -> None:
    plan = change_plan("contrastive.families=['gaussian']", "contrastive.matched_control=false")
    campaign = bench.open(plan)
    tries = 0
    while not campaign.is_finished:
        spec = campaign.next_trial()
        assert spec is not None
        if spec.stage == "final" and spec.bottleneck == "td" and spec.replicate == 1:
            assert spec.attempt == tries
            tries += 1
            campaign.record(TrialResult.without_value(spec, "failed", "CUDA out of memory"))
        else:
            campaign.record(bench.run(campaign, spec))
    assert tries == 2
    (line,) = bench.said
    assert line.startswith("trial-run-gaussian-contrastive td final: t")
    assert line.endswith("-r1 has no model: CUDA out of memory")
    assert bench.open(plan).is_finished


def test_only_one_driver_at_a_time_has_a_campaign(bench: Bench) -> None:
    bench.root.mkdir()
    with (
        only_driver(bench.root),
        pytest.raises(RequestError, match="another process is running the campaign"),
        only_driver(bench.root),
    ):
        pass
    with only_driver(bench.root):
        pass
