from __future__ import annotations

from pathlib import Path

import pytest

from prior_search.data.taxonomy_table import LEVELS, folder_taxonomy, read_taxonomy
from prior_search.errors import RequestError

HEADER = "folder,coarse,mid,fine,class\n"
TABLE = HEADER + (
    "0,artifact,container,soft container,bag\n"
    "1,artifact,container,hard container,bottle\n"
    "192,food,fruit,pome,apple\n"
    "254,artifact,office,paper,calendar\n"
    "548,artifact,office,paper,calendar\n"
)


def write(folder: Path, text: str, name: str = "taxonomy.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_labels_are_numbered_in_the_order_of_the_table(tmp_path: Path) -> None:
    table = read_taxonomy(write(tmp_path, TABLE))
    assert table.level_names == LEVELS
    assert table.label_names == (
        ("artifact", "food"),
        ("container", "fruit", "office"),
        ("soft container", "hard container", "pome", "paper"),
        ("bag", "bottle", "apple", "calendar"),
    )
    assert table.labels["192"] == (1, 1, 2, 2)
    assert table.labels["254"] == table.labels["548"] == (0, 2, 3, 3)


def test_toml_and_columns_in_another_order_say_the_same(tmp_path: Path) -> None:
    table = read_taxonomy(write(tmp_path, TABLE))
    shuffled = ["class, folder ,fine,mid,coarse"]
    tables = []
    for line in TABLE.splitlines()[1:]:
        folder, coarse, mid, fine, name = line.split(",")
        shuffled.append(f"{name} , {folder}, {fine},{mid},{coarse}")
        values = {"coarse": coarse, "mid": mid, "fine": fine, "class": name}
        tables.append(f'["{folder}"]\n' + "".join(f'{k} = "{v}"\n' for k, v in values.items()))
    assert read_taxonomy(write(tmp_path, "\ufeff" + "\n".join(shuffled), "b.csv")) == table
    assert read_taxonomy(write(tmp_path, "\n".join(tables), "c.toml")) == table


def test_the_published_lists_give_class_names_alone(tmp_path: Path) -> None:
    text = read_taxonomy(write(tmp_path, "0,bag\n253,Adapter(Water pipe)\n203,Toy b \n", "m.txt"))
    assert text.level_names == ("class",)
    assert text.label_names == (("bag", "Adapter(Water pipe)", "Toy b"),)
    assert text.labels["203"] == (2,)
    published = '{"0": "bag", "570": "Origami frog", "571": "Origami frog"}'
    names = read_taxonomy(write(tmp_path, published, "m.json"))
    assert names.labels == {"0": (0,), "570": (1,), "571": (1,)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("folder,corse,mid,fine,class\n0,a,b,c,d\n", "got 'corse'; did you mean 'coarse'?"),
        ("folder,coarse,mid,class\n0,a,b,d\n", "missing fine"),
        ("folder,coarse,mid,fine,class,class\n", "a column is there twice"),
        (HEADER, "has no class"),
        ("", "missing folder, coarse"),
        (HEADER + "0,a,b,c\n", "line 2 must have 5 fields"),
        (HEADER + "0,a,b,c,d,e\n", "line 2 must have 5 fields"),
        (HEADER + "0,a,b, ,d\n", "line 2: fine must not be empty"),
        (HEADER + ",a,b,c,d\n", "line 2: folder must not be empty"),
        (HEADER + "0,a,b,c,d\n0,a,b,c,e\n", "line 3: folder '0' is also in .* line 2"),
        (
            HEADER + "0,animal,dog,hound,x\n1,anmial,dog,terrier,y\n",
            "line 3: mid 'dog' is under coarse 'anmial', but .* line 2 puts it under 'animal'; "
            "did you mean 'animal'?",
        ),
        (HEADER + "0,a,b,c,d\n1,a,b,e,d\n", "line 3: class 'd' is under fine 'e', but"),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message.replace("?", r"\?")):
        read_taxonomy(write(tmp_path, text))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", '["0"]\ncoarse="a"\nmid="b"\nfine="c"\n', "missing class"),
        (
            "a.toml",
            '["0"]\ncoarse="a"\nmid="b"\nfine="c"\nclass=3\n',
            "must be a text, got 3",
        ),
        ("a.toml", "x = 1\n", "must be a table with coarse"),
        ("a.txt", "0 bag\n", "line 1 must be FOLDER,NAME, got '0 bag'"),
        ("a.json", '{"0": ["bag"]}', "'0' must be a class name"),
        ("a.json", '{"0": "bag", "0": "box"}', "a folder is there twice"),
        ("a.json", '["bag"]', "must be an object"),
        ("a.json", "{", "cannot read"),
        ("a.xlsx", "", r"must be \.csv, \.toml, \.txt, \.json, got '\.xlsx'"),
    ],
)
def test_other_formats_are_checked_too(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        read_taxonomy(write(tmp_path, text, name))


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"cannot read .*missing\.csv"):
        read_taxonomy(tmp_path / "missing.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"0,caf\xe9,b,c,d\n")
    with pytest.raises(RequestError, match=r"cannot read .*latin\.csv"):
        read_taxonomy(tmp_path / "latin.csv")


def test_folders_that_the_table_does_not_know_are_named(tmp_path: Path) -> None:
    table = read_taxonomy(write(tmp_path, TABLE))
    table.check_folders(["0", "548"], "table")
    with pytest.raises(RequestError, match=r"folders '1922'; did you mean '192' for '1922'\?"):
        table.check_folders(["0", "1922"], "table")
    with pytest.raises(RequestError, match=r"'a', 'b', 'c', 'd', 'e' and 2 more"):
        table.check_folders("abcdefg", "table")


def test_without_a_table_every_folder_is_a_class() -> None:
    table = folder_taxonomy(["7", "10", "7"])
    assert table.level_names == ("class",)
    assert table.labels == {"10": (0,), "7": (1,)}
