"""Opening an image file that nobody vouches for."""

from __future__ import annotations

import contextlib
import errno
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from prior_search.data.source_tree import check_inside
from prior_search.errors import RequestError

MAX_PIXELS = 64_000_000  # about 30 times a frame of MVImgNet; 200 MB once decoded
FORMATS = ("JPEG", "PNG")
# What decoders raise on damaged content; Pillow uses SyntaxError for a broken PNG chunk.
_DAMAGE = (SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
# Reasons of an OSError that belong to one file; all others are faults of the machine.
_FILE_ERRORS = (None, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EISDIR, errno.ELOOP)


class BrokenImageError(Exception):
    """A file that holds no usable image; the message says why, without the file's name."""


@contextlib.contextmanager
def open_image(path: Path, root: Path) -> Iterator[Image.Image]:
    """An image whose header was read; everything that goes wrong while decoding is its fault.

    Args:
        path: a JPEG or PNG file, whatever its suffix.
        root: the tree that it must be in, resolved.

    Raises:
        BrokenImageError: damaged, another format, too large, not readable, or a link outside.
        OSError: the disk or the machine fails.
    """
    try:
        if path.is_symlink():
            check_inside(path, root)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata, which is not used
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise BrokenImageError(
                        f"{image.width} x {image.height} pixels, more than {MAX_PIXELS}"
                    )
                yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BrokenImageError(f"too large: {error}") from error
    except RequestError as error:
        raise BrokenImageError(str(error)) from error
    except _DAMAGE as error:
        raise BrokenImageError(f"damaged: {error}") from error
    except OSError as error:
        if error.errno not in _FILE_ERRORS:
            raise
        raise BrokenImageError(error.strerror or _without_path(error)) from error


def _without_path(error: OSError) -> str:
    """Pillow names the file in this one message; it would differ between machines."""
    text = str(error)
    return "not a JPEG or PNG image" if text.startswith("cannot identify") else text
