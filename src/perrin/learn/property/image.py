"""A potential from an image file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from perrin.errors import InputError
from perrin.simulate.potential import Potential

__all__ = ["read_potential"]


def read_potential(path: str | os.PathLike[str]) -> Potential:
    """Read a TIFF file that holds one image, each pixel's value the potential there.

    Raises
    ------
    InputError
        If the file is not there, cannot be read, or is not one image of one channel.
    """
    import tifffile

    path = Path(path)
    try:
        image = np.squeeze(tifffile.imread(path))
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (tifffile.TiffFileError, OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as a TIFF image ({error}). Save the potential as one TIFF "
            "image, for instance from ImageJ."
        ) from None
    if image.ndim != 2:
        raise InputError(
            f"{path} has the shape {image.shape}, not that of one image; save the potential as one "
            "image of one channel."
        )
    return Potential(image)
