"""A campaign on made-up results: nothing is trained, everything else is real."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from prior_search.campaign import Campaign, CampaignPlan, Ended, Ground
from prior_search.environment import versions
from prior_search.evaluation import EVALUATION_NAME, Evaluation
from prior_search.evaluation.probe import ProbeScore
from prior_search.event_log import PLAN_NAME, Event
from prior_search.trial import TrialResult, TrialSpec

PLAN = """
name = "trial-run"
preset = "tiny"
seed = 3
[contrastive]
families = ["gaussian", "ema_vq"]
bottlenecks = ["itd", "td"]
data = "embedded"
matched_control = true
final_seeds = 2
steps = 40
[contrastive.budget]
stage1_trials = 2
stage2_trials = 2
confirm_trials = 1
anchors = 1
"""


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    """Two families of two bottlenecks, with controls."""
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


class _NoMirror:
    def put(self, event: Event) -> None:
        """Nobody looks."""


class Bench:
    """Opens campaigns in one folder and does their work.

    Attributes:
        trained: every training and evaluation that was done, over all campaigns of the folder.
        said: lines that a user would have seen.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trained: list[TrialSpec] = []
        self.said: list[str] = []
        self.ended: list[Ended] = []

    def open(self, plan: CampaignPlan, fingerprint: str = "f") -> Campaign:
        """The campaign as the command opens it."""
        self.root.mkdir(exist_ok=True)
        plan.write(self.root / PLAN_NAME)
        ground = Ground(
            plan=plan,
            root=self.root,
            data={track.task: ("nowhere", fingerprint) for track in plan.tracks},
            versions=versions(),
            mirror=lambda _: _NoMirror(),
            say=self.said.append,
        )
        return Campaign(ground, plan.studies(), self.ended.append)

    def work(self, campaign: Campaign, runs: int | None = None, workers: int = 3) -> None:
        """Run so many attempts to their ends, or all, on some workers at a time."""
        busy: list[TrialSpec] = []
        done = 0
        while not campaign.is_finished and (runs is None or done < runs):
            while len(busy) < workers and (spec := campaign.next_trial()) is not None:
                campaign.record_start(spec, "w")
                busy.append(spec)
            assert busy, "nothing to do and not finished"
            spec = busy.pop(0)
            campaign.record(self.run(campaign, spec))
            done += 1

    def run(self, campaign: Campaign, spec: TrialSpec) -> TrialResult:
        """What a worker would do: models are files with a name in them, objectives a formula."""
        self.trained.append(spec)
        part = next(p for p in campaign._parts if (spec.study, spec.search) in p.owns)
        model = part.trials_folder / spec.label / "model.safetensors"
        objective = _objective(spec)
        if spec.stage == "final":
            model.parent.mkdir(parents=True, exist_ok=True)
            model.write_text(f"{spec.study} {spec.bottleneck} {spec.seed} {spec.weights}")
        if spec.stage == "evaluation":
            record = json.dumps(_evaluation(model, spec, objective).as_dict())
            model.with_name(EVALUATION_NAME).write_text(record)
        return TrialResult(
            trial=spec.trial,
            replicate=spec.replicate,
            attempt=spec.attempt,
            status="completed",
            objective=objective,
            steps=spec.horizon,
            study=spec.study,
            search=spec.search,
        )


def _objective(spec: TrialSpec) -> float:
    """ITD is better than TD by half a nat; weights and seeds matter a little."""
    drawn = int(hashlib.sha256(str((spec.weights, spec.seed)).encode()).hexdigest()[:6], 16)
    return 4.0 + 0.5 * (spec.bottleneck == "td") + 0.01 * drawn / 16**6


def _evaluation(model: Path, spec: TrialSpec, objective: float) -> Evaluation:
    probes: list[ProbeScore] = [
        ProbeScore(
            level=level, budget=budget, accuracy=0.1 * budget ** 0.5, low=0.0, high=1.0,
            chance=0.01, penalty=1e-3,
        )
        for level in ("coarse", "mid", "fine", "class")
        for budget in (1, 3)
    ]  # fmt: skip
    return Evaluation(
        checkpoint=str(model),
        model_sha256=hashlib.sha256(model.read_bytes()).hexdigest(),
        data_fingerprint="f",
        spec=spec,
        objective=objective,
        information_bits={1: 2.0, 3: 5.0},
        probes=tuple(probes),
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty folder."""
    return Bench(tmp_path / "root")


@pytest.fixture
def change_plan(plan_file: Path) -> Callable[..., CampaignPlan]:
    """The plan with overrides."""

    def change(*overrides: str) -> CampaignPlan:
        return CampaignPlan.read(plan_file, overrides)

    return change
