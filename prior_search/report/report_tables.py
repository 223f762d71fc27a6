"""The tables of a report, for other programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import pyarrow as pa

from prior_search.report.study_view import StudyView
from prior_search.report.tables import trial_rows
from prior_search.study import Study


def report_tables(study: Study, view: StudyView) -> dict[str, pa.Table]:
    """By name of the file; tables without rows are left out."""
    control = view.control
    found = {
        "trials": [row.as_dict() for row in trial_rows(study.events)],
        "recommendations": _recommendations(view),
        "moves": [
            dataclasses.asdict(move) | {"arrow": move.arrow}
            for move in (control.moves if control else ())
        ],
        "control": control.records() if control else [],
        "final": [record for model in view.finals for record in model.records()],
        "compute": [dataclasses.asdict(entry) for entry in view.compute],
        "incidents": [dataclasses.asdict(entry) for entry in view.incidents],
    }
    return {name: as_table(records) for name, records in found.items() if records}


def as_table(records: Sequence[Mapping[str, object]]) -> pa.Table:
    """Columns in order of first appearance; what a record lacks is null."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return pa.table({name: [record.get(name) for record in records] for name in names})


def _recommendations(view: StudyView) -> list[dict[str, object]]:
    """One record per recommended weight."""
    records = []
    for search in view.searches:
        best = search.best
        for weight in search.weights:
            record: dict[str, object] = {"search": search.name}
            record |= dataclasses.asdict(weight)
            if best is not None:
                names = ("trial", "predicted_mean", "predicted_sd", "num_runs")
                record |= {name: getattr(best, name) for name in names}
                record |= {"objective_low": best.low, "objective_high": best.high}
            records.append(record)
    return records
