"""Flags of ``prior-search data convert``, ``info`` and ``verify``."""

from __future__ import annotations

import argparse
from pathlib import Path

from prior_search.commands.parsers.flags import count, share


def add_data(parser: argparse.ArgumentParser) -> None:
    """The three actions, each with flags of its own."""
    actions = parser.add_subparsers(dest="action", required=True)
    for name, text in (
        ("convert", "make a set of a download of MVImgNet, MVImgNet2 or FFHQ"),
        ("info", "what is in a set"),
        ("verify", "read a whole set and name what is damaged; 2 if anything is"),
    ):
        action = actions.add_parser(name, help=text, description=text, allow_abbrev=False)
        if name == "convert":
            _add_convert(action)
        else:
            action.add_argument("path", metavar="PATH", help="folder, .arrow file or s3://")


def _add_convert(convert: argparse.ArgumentParser) -> None:
    convert.add_argument("source", type=Path, metavar="SOURCE", help="folder of the download")
    convert.add_argument("dest", metavar="DEST", help="new folder, or s3://bucket/folder")
    convert.add_argument(
        "--layout",
        choices=("auto", "mvimgnet", "mvimgnet2", "ffhq"),
        default="auto",
        help="of SOURCE (default: %(default)s, from its folders)",
    )
    convert.add_argument(
        "--size", type=count(1), default=224, metavar="N", help="pixels (default: %(default)s)"
    )
    convert.add_argument(
        "--taxonomy", type=Path, metavar="FILE", help="classes: .csv, .toml, .txt or .json"
    )
    convert.add_argument("--masks", type=Path, metavar="DIR", help="a separate tree of masks")
    convert.add_argument(
        "--validation-share",
        type=share,
        default=0.1,
        metavar="X",
        help="held-out instances (default: %(default)s; FFHQ has its own split)",
    )
    convert.add_argument(
        "--max-frames", type=count(2), metavar="N", help="of an instance (default: all)"
    )
    convert.add_argument(
        "--max-broken-share",
        type=share,
        default=0.01,
        metavar="X",
        help="of all frames; more broken files are an error (default: %(default)s)",
    )
    convert.add_argument(
        "--shard-mib", type=count(1), default=128, metavar="N", help="(default: %(default)s)"
    )
    convert.add_argument("--workers", type=count(1), metavar="K", help="default: all cores")
