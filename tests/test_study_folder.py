from __future__ import annotations

from pathlib import Path

import pytest

from prior_search.errors import RequestError
from prior_search.study_folder import create_study, made_on
from tests.studies import FACTS, REQUEST


def test_a_new_study_says_what_it_was_made_on_and_with(tmp_path: Path) -> None:
    create_study(tmp_path / "deep" / "study", REQUEST, FACTS)
    assert made_on(tmp_path / "deep" / "study") == (REQUEST, "abc")
    assert (tmp_path / "deep" / "study" / "env.lock").exists()


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RequestError, match=r"cannot write the study to .*taken"):
        create_study(tmp_path / "taken" / "study", REQUEST, FACTS)
