from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from prior_search.campaign import CampaignPlan
from prior_search.campaign.plan import control_of
from prior_search.errors import RequestError
from prior_search.shipped import shipped_folder
from prior_search.trial import BOTTLENECKS, FAMILIES


@pytest.mark.parametrize("name", ["tiny", "paper"])
def test_a_shipped_plan_asks_for_all_of_the_paper(name: str) -> None:
    plan = CampaignPlan.read(shipped_folder("study_plans") / f"{name}.toml")
    studies = plan.studies()
    assert [s.family for s in studies if s.task == "contrastive"] == list(FAMILIES)
    assert [s.task for s in studies][-1] == "reconstruction"
    assert all(set(s.bottlenecks) == set(BOTTLENECKS) for s in studies)
    assert plan.track("contrastive").matched_control
    budgets = {(s.task, s.budget) for s in studies}
    assert len(budgets) == 2, "a family got more tuning than another"


def test_what_is_written_is_read_again(plan_file: Path, tmp_path: Path) -> None:
    plan = CampaignPlan.read(plan_file)
    plan.write(tmp_path / "again.toml")
    assert CampaignPlan.read(tmp_path / "again.toml") == plan


def test_local_data_is_found_from_every_folder(
    change_plan: Callable[..., CampaignPlan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert change_plan("contrastive.data='set'").tracks[0].data == str(tmp_path / "set")
    assert change_plan("contrastive.data='s3://b/set'").tracks[0].data == "s3://b/set"


def test_a_smoke_plan_is_another_campaign(plan_file: Path) -> None:
    plan = CampaignPlan.read(plan_file)
    smoke = plan.smoke()
    assert smoke.name == "trial-run-smoke"
    assert all(request.steps < 10 for request in smoke.studies())
    assert [r.bottlenecks for r in smoke.studies()] == [r.bottlenecks for r in plan.studies()]


def test_a_control_differs_from_its_study_in_name_and_arms_alone(plan_file: Path) -> None:
    request = CampaignPlan.read(plan_file).studies()[0]
    changed = {text.split(":")[0] for text in request.differences(control_of(request))}
    assert changed <= {"name", "matched", "bottlenecks"}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("preset=huge", "preset must be one of .*small.*, got 'huge'"),
        ("seed=-1", "seed must be a whole number >= 0, got -1"),
        ("name=a/b", "name must be letters, digits, '-' and '_', got 'a/b'"),
        ("contrastive.families=[]", "families must be named, each once"),
        ("contrastive.families=['gaussian', 'gaussian']", "families must be named, each once"),
        ("contrastive.families=['gausian']", "did you mean 'gaussian'"),
        ("contrastive.bottlenecks=['itd']", "matched_control needs itd and td"),
        ("contrastive.matched_control=1", "matched_control must be true or false, got 1"),
        ("contrastive.final_seeds=0", "final_seeds must be a whole number >= 1, got 0"),
        ("contrastive.budget.trials=3", "budget must be one of stage1_trials"),
        ("contrastive.budget.stage1_trials='many'", "stage1_trials must be a whole number"),
        ("contrastive.data='s3://me:secret@host/b'", "data must not hold a password"),
        ("contrastive.steps=10000000000", "steps must be a whole number from 0 to 1000000000"),
        ("contrastive.budget.anchors=9", r"\[contrastive.budget\] of trial-run"),
        ("contrastive=1", "contrastive must be a table, got 1"),
        ("contrastive.sed=1", "key must be one of .*, got 'sed'"),
        ("synthetic.families=[]", "key must be one of name, preset, seed, got 'synthetic'"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(
    change_plan: Callable[..., CampaignPlan], override: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        change_plan(override).studies()


def test_a_plan_without_a_task_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('name = "a"\npreset = "tiny"\nseed = 0\n')
    with pytest.raises(RequestError, match=r"needs a table \[contrastive\] or \[reconstruction\]"):
        CampaignPlan.read(path)
