from __future__ import annotations

from pathlib import Path

import pytest

from prior_search.whole_file import whole_file, write_whole


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "note.toml"
    write_whole(path, "first \u00e9\n")
    with whole_file(path) as partial:
        partial.write_text("second")
        assert path.read_text("utf-8") == "first \u00e9\n"
    assert path.read_text() == "second"
    assert [p.name for p in path.parent.iterdir()] == ["note.toml"]


def test_what_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "note.toml"
    write_whole(path, "first")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as partial:  # noqa: PT012
        partial.write_text("sec")
        raise KeyboardInterrupt
    assert path.read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["note.toml"]
