"""The report's page: one HTML file that needs nothing else, from what ``study_view`` gathered.

Every text is escaped by the templates. The page says by its content security policy that it loads
nothing and runs only the script that it came with, named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from prior_search import __version__
from prior_search.remaining_time import format_duration
from prior_search.report import svg
from prior_search.report.control_section import mean_of
from prior_search.report.final_models import measured
from prior_search.report.palette import DARK, LIGHT, css_variables
from prior_search.report.scales import tick_label

TEMPLATES = "templates"


def render(template: str, view: Mapping[str, Any]) -> str:
    """A page as HTML.

    Args:
        template: name of a file in ``templates``.
        view: its variables.
    """
    environment = Environment(
        loader=PackageLoader("prior_search.report", TEMPLATES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"svg": svg.to_svg, "short": _short, "duration": format_duration}
    environment.filters |= {"seeds": mean_of, "measured": measured}
    style, script = Markup(_style()), Markup(_asset("report.js"))  # ours, not a user's
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    page = environment.get_template(template)
    return page.render(view, style=style, script=script, policy=policy, version=__version__)


def _style() -> str:
    dark = f":root{{{css_variables(DARK)}}}"
    colors = (
        f":root{{{css_variables(LIGHT)}}}@media screen and (prefers-color-scheme:dark){{{dark}}}"
    )
    return colors + svg.STYLE + _asset("report.css")


def _asset(name: str) -> str:
    return resources.files("prior_search.report").joinpath(TEMPLATES, name).read_text("utf-8")


def _hash(content: str) -> str:
    """As a source of a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _short(value: float) -> str:
    """Three digits."""
    return tick_label(float(f"{value:.3g}"))
