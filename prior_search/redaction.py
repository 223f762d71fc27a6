"""Secrets out of texts that are kept or shown: passwords in URIs, keys, tokens.

The one place that knows what a secret looks like. ``EventLog`` applies it to the free text of an
event, so MLflow and the reports, which are made from events, never see what it removes; the
command line applies it to messages and to the log.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
FREE_TEXT = ("error", "reason")  # keys of an event whose text somebody else's code wrote
SHORTEST = 8  # characters of a variable's value that is searched for; shorter ones are words

_SECRET_NAME = re.compile(r"(?i)(secret|token|password|passwd|credential|api_?key|access_?key)")
_PATTERNS = (
    re.compile(r"(?P<keep>[a-z][a-z0-9+.\-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE),
    re.compile(r"(?P<keep>)\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(
        r"(?P<keep>(?:secret|token|password|passwd|credential|signature|api[_-]?key|access[_-]?key)"
        r"[\w\-]*[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<keep>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=\-]{8,}"),
)


def redact(text: str) -> str:
    """The text with every secret in it hidden."""
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and value in text and _SECRET_NAME.search(name):
            text = text.replace(value, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<keep>{HIDDEN}", text)
    return text


def redact_event(data: Mapping[str, Any]) -> dict[str, Any]:
    """An event's data with the secrets of its free text hidden, at any depth of tables."""
    clean: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            clean[key] = redact_event(value)
        else:
            clean[key] = redact(value) if key in FREE_TEXT and isinstance(value, str) else value
    return clean


def has_password(uri: str) -> bool:
    """Whether a URI carries a password that would be kept where the URI is."""
    return _PATTERNS[0].search(uri) is not None


class RedactingFormatter(logging.Formatter):
    """Formats a record, its traceback included, and hides secrets in all of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line that is shown."""
        return redact(super().format(record))
