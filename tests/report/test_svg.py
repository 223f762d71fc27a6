from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from prior_search.report.charts import Axis, Band, Chart, Line, Points, Rule, Words
from prior_search.report.scales import Scale, tick_label, ticks
from prior_search.report.svg import to_svg, to_svg_file


def chart(**changes: object) -> Chart:
    fields: dict[str, object] = {
        "name": "some-chart",
        "title": 'a < b & "c"',
        "note": "note",
        "x": Axis(label="x"),
        "y": Axis(label="y"),
        "layers": (Points(x=(1.0, 3.0), y=(10.0, 30.0), label="<b>", titles=("<i>", "ok")),),
    }
    return Chart(**(fields | changes))  # type: ignore[arg-type]


def test_a_file_is_well_formed_xml_and_keeps_hostile_text() -> None:
    tree = ElementTree.fromstring(to_svg_file(chart()))
    texts = [e.text for e in tree.iter() if e.tag.endswith(("text", "title"))]
    assert 'a < b & "c"' in texts
    assert "<b>" in texts
    assert "<i>" in texts


def test_points_are_drawn_where_their_values_are() -> None:
    drawing = ElementTree.fromstring(str(to_svg(chart())))
    circles = [e for e in drawing.iter("circle") if e.find("title") is not None]
    x = [float(c.attrib["cx"]) for c in circles]
    y = [float(c.attrib["cy"]) for c in circles]
    assert x[0] < x[1]
    assert y[0] > y[1]  # larger values are higher up
    assert min(*x, *y) >= 0
    assert max(x) <= 380


def test_a_step_keeps_its_value_until_the_next() -> None:
    line = Line(x=(0.0, 1.0), y=(5.0, 3.0), is_stepped=True)
    drawing = ElementTree.fromstring(str(to_svg(chart(layers=(line,)))))
    path = next(e for e in drawing.iter("path") if "line" in e.attrib["class"].split())
    corners = [tuple(map(float, p.split())) for p in path.attrib["d"][1:].split("L")]
    assert len(corners) == 3
    assert corners[0][1] == corners[1][1]
    assert corners[1][0] == corners[2][0]


def test_every_kind_of_layer_is_drawn() -> None:
    layers = (
        Band(x=(1.0, 2.0), low=(1.0, 1.0), high=(2.0, 2.0)),
        Rule(at=1.5, label="here"),
        Rule(at=1.5, is_vertical=False),
        Words(x=1.0, y=1.0, text="words"),
        *(
            Points(x=(1.0,), y=(1.0,), shape=shape, low=(0.5,), high=(1.5,))
            for shape in ("circle", "ring", "square", "triangle", "diamond", "cross")
        ),
    )
    drawing = ElementTree.fromstring(str(to_svg(chart(layers=layers))))
    classes = [c for e in drawing.iter() for c in e.attrib.get("class", "").split()]
    assert {"band", "whisker", "cross", "ring"} <= set(classes)
    assert "words" in [e.text for e in drawing.iter("text")]


def test_words_at_the_edge_end_there_instead_of_being_cut() -> None:
    line = Line(x=(1.0, 2.0), y=(1.0, 2.0))
    words = (Words(x=2.0, y=2.0, text="w" * 30), Words(x=1.5, y=1.0, text="short"))
    drawing = ElementTree.fromstring(str(to_svg(chart(layers=(line, *words)))))
    found = {e.text: e.attrib["text-anchor"] for e in drawing.iter("text")}
    assert found["w" * 30] == "end"
    assert found["short"] == "middle"


def test_a_label_of_the_last_tick_is_not_cut_at_the_edge() -> None:
    for label in ("4.60", "1000000"):
        axis = Axis(ticks=((1.0, "1"), (3.0, label)), low=1.0, high=3.0)
        drawing = ElementTree.fromstring(str(to_svg(chart(x=axis))))
        (last,) = (e for e in drawing.iter("text") if e.text == label)
        assert last.attrib["text-anchor"] == "middle"
        middle = float(last.attrib["x"])
        assert middle + 3.5 * len(label) <= 380.05, "a digit has up to 7 pixels"
        marker = [e for e in drawing.iter("circle") if e.find("title") is not None][-1]
        assert float(marker.attrib["cx"]) == middle, "a label stands below its value"


def test_a_scale_ends_early_enough_for_a_label_before_its_end() -> None:
    scale = Scale(low=0.0, high=10.0, start=20.0, end=120.0, is_log=False)
    assert scale.with_room_for([(5.0, "5"), (10.0, "10")], 130.0) == scale
    label = "9" * 8  # 28 pixels beyond its middle, which must come to 102
    assert scale.with_room_for([(9.0, label)], 130.0)(9.0) == pytest.approx(102.0)


def test_bands_do_not_widen_the_axis() -> None:
    band = Band(x=(1.0, 2.0), low=(-1e9, -1e9), high=(1e9, 1e9))
    line = Line(x=(1.0, 2.0), y=(4.0, 6.0))
    assert chart(layers=(band, line)).range_of("y") == pytest.approx((3.9, 6.1))


def test_a_log_axis_is_padded_in_decades_and_leaves_out_what_is_not_positive() -> None:
    points = Points(x=(0.0, 1e-3, 10.0), y=(1.0, 1.0, 1.0))
    low, high = chart(layers=(points,), x=Axis(is_log=True)).range_of("x")
    assert math.log10(low) == pytest.approx(-3.2)
    assert math.log10(high) == pytest.approx(1.2)


def test_a_chart_without_data_or_of_one_value_still_has_a_range() -> None:
    assert chart(layers=()).range_of("x") == pytest.approx((0.55, 10.45))
    for value in (0.0, -3.0, 4.0):
        low, high = chart(layers=(Points(x=(value,), y=(value,)),)).range_of("y")
        assert low < value < high


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (4.53, 5.61, ["4.75", "5.00", "5.25", "5.50"]),
        (-0.02, 0.02, ["-0.02", "-0.01", "0.00", "0.01", "0.02"]),
    ],
)
def test_linear_ticks_are_round_and_inside(low: float, high: float, labels: list[str]) -> None:
    found = ticks(Axis(), low, high, 5)
    assert [label for _, label in found] == labels
    assert all(low <= value <= high for value, _ in found)


def test_log_ticks_are_powers_of_ten() -> None:
    found = ticks(Axis(is_log=True), 2e-5, 3.0, 5)
    assert [value for value, _ in found] == pytest.approx([1e-4, 1e-3, 1e-2, 0.1, 1.0])
    assert len(ticks(Axis(is_log=True), 1e-9, 1e3, 5)) <= 5


def test_short_labels() -> None:
    assert [tick_label(v) for v in (0, 0.001, 1e-5, 2.5e-7, 1000, 1e5)] == [
        "0", "0.001", "1e-5", "2.5e-7", "1000", "1e5",
    ]  # fmt: skip


def test_a_scale_is_linear_in_the_value_or_its_logarithm() -> None:
    linear = Scale(low=0, high=10, start=100, end=200, is_log=False)
    assert [linear(v) for v in (0, 5, 10)] == [100, 150, 200]
    log = Scale(low=0.01, high=1, start=100, end=0, is_log=True)
    assert [log(v) for v in (0.01, 0.1, 1.0)] == pytest.approx([100, 50, 0])
