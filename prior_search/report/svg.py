"""Charts as SVG: small, sharp at any size, and in the colors of the page around them.

Colors are CSS classes, so one drawing follows the page's light or dark scheme; a file of its own
carries the same rules. Every text is escaped here.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from prior_search.report.charts import Band, Chart, Line, Points, Rule, Words
from prior_search.report.palette import DARK, LIGHT, Shape, css_variables
from prior_search.report.scales import Scale, ticks

CHARACTER = 6.2  # width of an average one of 11 pixels, for margins and legends
LINE_HEIGHT = 16
RADIUS = 3.6
EDGE = 10  # right of the plot, at least

STYLE = (
    "svg.chart{font:11px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--ink)}"
    "svg.chart .heading{font-weight:600;font-size:13px}"
    "svg.chart .quiet{fill:var(--muted)}svg.chart .grid{stroke:var(--faint);stroke-width:.7}"
    "svg.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round}"
    "svg.chart .thin{stroke-width:1;stroke-opacity:.75}svg.chart .dashed{stroke-dasharray:4 3}"
    "svg.chart .whisker{stroke-width:1.2}svg.chart .band{fill-opacity:.18;stroke:none}"
    "svg.chart .ring{fill:none;stroke-width:1.4}svg.chart .cross{fill:none;stroke-width:1.8}"
) + "".join(
    f"svg.chart .f-{c}{{fill:var(--{c})}}svg.chart .s-{c}{{stroke:var(--{c})}}" for c in LIGHT
)


def to_svg(chart: Chart) -> Markup:
    """The drawing, to be put into a page that has ``STYLE`` and the color variables."""
    return Markup("".join(_Drawing(chart).parts))


def to_svg_file(chart: Chart) -> str:
    """The same as a file that stands alone, in both color schemes."""
    style = (
        f"svg{{{css_variables(LIGHT)}background:#fff}}@media(prefers-color-scheme:dark)"
        f"{{svg{{{css_variables(DARK)}background:#15181c}}}}{STYLE}"
    )
    opening, rest = str(to_svg(chart)).split(">", 1)
    opening = opening.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    size = f' width="{chart.width}" height="{chart.height}"'
    return f"{opening}{size}><style>{style}</style>{rest}\n"


class _Drawing:
    """Collects the elements of one chart, from back to front."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        rows = self._legend_rows()
        (x0, x1), (y0, y1) = chart.range_of("x"), chart.range_of("y")
        y_ticks = ticks(chart.y, y0, y1, 5)
        left = 8 + CHARACTER * max([len(label) for _, label in y_ticks], default=0)
        top = 26 + LINE_HEIGHT * len(rows) + (LINE_HEIGHT + 4 if chart.y.label else 0)
        bottom = chart.height - (36 if chart.x.label else 22)
        x_ticks = ticks(chart.x, x0, x1, 5)
        full = Scale(low=x0, high=x1, start=left, end=chart.width - EDGE, is_log=chart.x.is_log)
        self.x = full.with_room_for(x_ticks, chart.width)
        self.y = Scale(low=y0, high=y1, start=bottom, end=top + 4, is_log=chart.y.is_log)
        label = escape(f"{chart.title}. {chart.note}")
        self.parts = [
            f'<svg class="chart" viewBox="0 0 {chart.width} {chart.height}" role="img" '
            f'aria-label="{label}">',
            f'<clipPath id="{escape(chart.name)}-plot"><rect x="{left:.1f}" y="{top:.1f}" '
            f'width="{self.x.end - left:.1f}" height="{bottom - top:.1f}"/></clipPath>',
        ]
        self.text(0, 13, chart.title, "heading")
        self._legend(rows)
        self._axes(x_ticks, y_ticks, top)
        for layer in chart.layers:
            getattr(self, f"_{type(layer).__name__.lower()}")(layer)
        self.parts.append("</svg>")

    def text(self, x: float, y: float, words: str, style: str = "", anchor: str = "start") -> None:
        """Escaped text."""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">'
            f"{escape(words)}</text>"
        )

    # --- frame

    def _legend_rows(self) -> list[list[tuple[float, Points | Line | Band]]]:
        rows: list[list[tuple[float, Points | Line | Band]]] = []
        at = float("inf")
        for layer in self.chart.legend():
            width = 26 + CHARACTER * len(layer.label)
            if at + width > self.chart.width:
                rows.append([])
                at = 0.0
            rows[-1].append((at, layer))
            at += width
        return rows

    def _legend(self, rows: list[list[tuple[float, Points | Line | Band]]]) -> None:
        for number, row in enumerate(rows):
            y = 29 + LINE_HEIGHT * number
            for x, layer in row:
                match layer:
                    case Points():
                        self.parts.append(_marker(layer.shape, layer.color, x + 7, y - 4, ""))
                    case Line():
                        dashed = " dashed" if layer.is_dashed else ""
                        self._path([(x, y - 4), (x + 14, y - 4)], f"line s-{layer.color}{dashed}")
                    case Band():
                        self.parts.append(
                            f'<rect x="{x}" y="{y - 9}" width="14" height="10" '
                            f'class="band f-{layer.color}"/>'
                        )
                self.text(x + 18, y, layer.label)

    def _axes(
        self, x_ticks: list[tuple[float, str]], y_ticks: list[tuple[float, str]], top: float
    ) -> None:
        for value, label in y_ticks:
            y = self.y(value)
            self._path([(self.x.start, y), (self.x.end, y)], "grid")
            self.text(self.x.start - 5, y + 4, label, "quiet", "end")
        for value, label in x_ticks:
            self.text(self.x(value), self.y.start + 15, label, "quiet", "middle")
        if self.chart.y.label:
            self.text(0, top - 7, self.chart.y.label, "quiet")
        if self.chart.x.label:
            self.text(self.x.end, self.y.start + 31, self.chart.x.label, "quiet", "end")

    # --- layers, by the names of their classes

    def _points(self, layer: Points) -> None:
        for k, (x, y) in enumerate(zip(layer.x, layer.y, strict=True)):
            at = self.x(x)
            if layer.low:
                ends = [(at, self.y(layer.low[k])), (at, self.y(layer.high[k]))]
                self._path(ends, f"whisker s-{layer.color}")
            title = layer.titles[k] if layer.titles else ""
            self.parts.append(_marker(layer.shape, layer.color, at, self.y(y), title))

    def _line(self, layer: Line) -> None:
        points: list[tuple[float, float]] = []
        for x, y in zip(layer.x, layer.y, strict=True):
            if layer.is_stepped and points:
                points.append((self.x(x), points[-1][1]))
            points.append((self.x(x), self.y(y)))
        style = f"line s-{layer.color}" + (" dashed" if layer.is_dashed else "")
        self._path(points, style + (" thin" if layer.is_thin else ""), layer.title)

    def _band(self, layer: Band) -> None:
        forth = [(self.x(x), self.y(y)) for x, y in zip(layer.x, layer.high, strict=True)]
        back = [(self.x(x), self.y(y)) for x, y in zip(layer.x, layer.low, strict=True)]
        self._path(forth + back[::-1], f"band f-{layer.color}")

    def _rule(self, layer: Rule) -> None:
        style = f"line thin s-{layer.color}" + (" dashed" if layer.is_dashed else "")
        if layer.is_vertical:
            x = self.x(layer.at)
            self._path([(x, self.y.start), (x, self.y.end)], style, layer.label)
        else:
            y = self.y(layer.at)
            self._path([(self.x.start, y), (self.x.end, y)], style, layer.label)

    def _words(self, layer: Words) -> None:
        x, y = self.x(layer.x), self.y(layer.y) + (14 if layer.is_below else -6)
        if x + 0.5 * CHARACTER * len(layer.text) > self.x.end:  # it would be cut at the edge
            self.text(self.x.end, y, layer.text, "quiet", "end")
        else:
            self.text(x, y, layer.text, "quiet", "middle")

    def _path(self, points: list[tuple[float, float]], style: str, title: str = "") -> None:
        line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        clip = "" if style == "grid" else f' clip-path="url(#{escape(self.chart.name)}-plot)"'
        clip = "" if points[0][1] < self.y.end - 4 and "band" not in style else clip
        inner = f"><title>{escape(title)}</title></path>" if title else "/>"
        self.parts.append(f'<path d="{line}" class="{style}"{clip}{inner}')


def _marker(shape: Shape, color: str, x: float, y: float, title: str) -> str:
    r = RADIUS
    inner = f"<title>{escape(title)}</title>" if title else ""
    if shape in ("circle", "ring"):
        style = f"f-{color}" if shape == "circle" else f"ring s-{color}"
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}" class="{style}">{inner}</circle>'
    outlines = {
        "square": f"M{x - r:.1f} {y - r:.1f}h{2 * r}v{2 * r}h{-2 * r}z",
        "triangle": f"M{x:.1f} {y - r - 1:.1f}l{r + 1} {2 * r + 0.6:.1f}h{-2 * r - 2}z",
        "diamond": f"M{x:.1f} {y - r - 1:.1f}l{r + 1} {r + 1}l{-r - 1} {r + 1}l{-r - 1} {-r - 1}z",
        "cross": f"M{x - r:.1f} {y - r:.1f}l{2 * r} {2 * r}m0 {-2 * r}l{-2 * r} {2 * r}",
    }
    style = f"cross s-{color}" if shape == "cross" else f"f-{color}"
    return f'<path d="{outlines[shape]}" class="{style}">{inner}</path>'
