"""Campaigns: the studies of a whole comparison with their controls, finals and evaluations."""

from prior_search.campaign.campaign import Campaign, Ended, planned_runs, planned_work
from prior_search.campaign.ground import Ground
from prior_search.campaign.outcome import (
    comparison_input,
    outcomes,
    write_evaluations,
)
from prior_search.campaign.plan import CampaignPlan

__all__ = [
    "Campaign",
    "CampaignPlan",
    "Ended",
    "Ground",
    "comparison_input",
    "outcomes",
    "planned_runs",
    "planned_work",
    "write_evaluations",
]
