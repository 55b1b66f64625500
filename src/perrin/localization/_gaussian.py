"""Perrin's own detector: a matched band-pass, then Gaussians fitted to all spots at once."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import model_validator

from perrin.errors import InputError
from perrin.parameters import Parameters, parameter

__all__ = ["GaussianDetector"]

_PIXELS_AT_ONCE = 2**23
_LOWEST_SNR = 2.0  # of what may be noise; lower maxima are many, and say no more


class GaussianDetector(Parameters):
    """Bright (or dark) spots of known width, by band-pass, local maxima and a Gaussian fit.

    Frames are filtered with the difference of two Gaussians, the first as wide as a spot. Maxima
    above a threshold in units of the noise are fitted, all at once, by maximum likelihood with
    Poisson noise where gain and offset of the camera are given, else by least squares. Neighbours
    are part of each spot's model.

    References
    ----------
    C. S. Smith et al., Nat. Methods 7, 373 (2010); K. I. Mortensen et al., Nat. Methods 7, 377
    (2010); R. Parthasarathy, Nat. Methods 9, 724 (2012).
    """

    quality: ClassVar[str] = "snr"
    """Column by which spots are told from noise."""
    threshold_field: ClassVar[str] = "min_snr"
    """Field that says the least of it."""
    size_field: ClassVar[str] = "sigma"
    """Field that says how large a spot is."""

    kind: Literal["gaussian"] = "gaussian"
    sigma: float = parameter(
        1.3,
        "Width of a spot: standard deviation of the Gaussian that it looks like.",
        unit="px",
        label="Spot width (sigma)",
        ge=0.5,
        le=50,
    )
    min_snr: float | None = parameter(
        None,
        "Least signal-to-noise ratio of a spot in the band-passed image; found from the false "
        "spots that are allowed if left empty.",
        label="Least signal-to-noise",
        gt=0,
    )
    false_spots: float = parameter(
        0.5,
        "False spots allowed per frame, on average, in an image of noise alone; used if the least "
        "signal-to-noise is left empty.",
        unit="per frame",
        label="False spots",
        gt=0,
    )
    gain: float | None = parameter(
        None,
        "Counts per photon of the camera. With the offset it lets photons be counted and the fit "
        "use their noise.",
        unit="counts",
        label="Gain",
        gt=0,
    )
    offset: float | None = parameter(
        None, "Counts of a pixel in the dark.", unit="counts", label="Offset"
    )
    invert: bool = parameter(
        False, "Whether the spots are darker than their surroundings.", label="Dark spots"
    )
    read_noise: float = parameter(
        0.0,
        "Standard deviation of the noise of reading a pixel.",
        unit="electrons",
        label="Read noise",
        ge=0,
        advanced=True,
    )
    sigma_z: float | None = parameter(
        None,
        "Width of a spot along z in a 3D movie; that in the plane if left empty.",
        unit="px",
        label="Spot width in z",
        ge=0.5,
        le=50,
        advanced=True,
    )
    fit: Literal["likelihood", "radial"] = parameter(
        "likelihood",
        "How a spot's position is found: by a Gaussian fit (likelihood) or, faster and without "
        "errors, as its point of radial symmetry (radial).",
        label="Fit",
        advanced=True,
    )
    fit_sigma: bool = parameter(
        True,
        "Whether to fit the width of each spot, within about 20 % unless it is bright.",
        label="Fit the width",
        advanced=True,
    )
    passes: int = parameter(
        2,
        "How often spots are sought; after the first time in what remains when those found are "
        "subtracted.",
        label="Passes",
        ge=1,
        le=5,
        advanced=True,
    )

    @model_validator(mode="after")
    def _camera_is_whole(self) -> GaussianDetector:
        if (self.gain is None) != (self.offset is None):
            raise ValueError("gain and offset go together: give both, or neither")
        if self.invert and self.gain is not None:
            raise ValueError("dark spots have no photons of their own: empty gain and offset")
        return self

    @property
    def counts_photons(self) -> bool:
        """Whether the camera is known."""
        return self.gain is not None

    @property
    def extent(self) -> float:
        """Pixels across a spot: five widths hold 96 % of it."""
        return 5 * self.sigma

    def columns(self, ndim: int) -> list[str]:
        """Columns of what :meth:`locate_frames` returns for an image with ``ndim`` axes."""
        axes = ["z", "y", "x"][-ndim:]
        fitted = self.fit == "likelihood"
        return [
            *axes,
            *([f"{axis}_err" for axis in axes] if fitted else []),
            "mass",
            *(["photons"] if self.counts_photons else []),
            *(["background", "sigma"] if fitted else []),
            *(["sigma_z"] if fitted and ndim == 3 else []),
            "snr",
        ]

    def of_every_maximum(self) -> Self:
        """Return a faster detector that finds what this one takes for noise, too."""
        return self.model_copy(update={"min_snr": _LOWEST_SNR, "fit": "radial", "passes": 1})

    def frames_at_once(self, shape: tuple[int, ...]) -> int:
        """Return how many frames of ``shape`` to hand to :meth:`locate_frames` at a time."""
        return max(1, _PIXELS_AT_ONCE // math.prod(shape))

    def threshold(self, shape: tuple[int, ...]) -> float:
        """Return the least signal-to-noise ratio for frames of ``shape``, given or found."""
        import torch

        from perrin.localization._bandpass import band_pass, least_snr

        if self.min_snr is not None:
            return self.min_snr
        moments = band_pass(shape, self._check(shape), torch.device("cpu")).moments
        return least_snr(self.false_spots, math.prod(shape), moments)

    def locate_frames(self, frames: npt.NDArray[Any], device: str = "auto") -> pd.DataFrame:
        """Find the spots of some frames, ``(T, Y, X)`` or ``(T, Z, Y, X)``, without NaN.

        Returns
        -------
        pandas.DataFrame
            ``frame`` (from 0) and :meth:`columns`.

        Raises
        ------
        InputError
            If the frames are smaller than a spot.
        """
        import torch

        from perrin.device import pick_device
        from perrin.localization._search import Search

        shape = frames.shape[1:]
        search = Search(
            self._check(shape),
            least=self.threshold(shape),
            read_variance=self.read_noise**2 if self.counts_photons else None,
            fit=self.fit,
            fit_sigma=self.fit_sigma,
            passes=self.passes,
        )
        zero = float(frames.min()) if self.offset is None else self.offset
        gain = -1.0 if self.invert else self.gain or 1.0
        # Single precision holds the counts of a camera exactly, but not every number.
        exact = np.float32 if frames.dtype.itemsize <= 2 else np.float64
        values = torch.from_numpy(frames.astype(exact)).sub_(zero).mul_(1 / gain)
        # Nor does it hold the square of a very small number.
        unit = 1.0 if self.counts_photons else float(values.abs().max()) or 1.0
        spots = search((values / unit if unit != 1 else values).float().to(pick_device(device)))
        fitted, error = (t.cpu().numpy().astype(np.float64) for t in (spots.fitted, spots.error))
        return self._table(
            spots.frame.cpu().numpy(),
            fitted,
            error,
            spots.snr.cpu().numpy().astype(np.float64),
            counts=gain * unit,
            zero=zero,
        )

    def _table(
        self,
        frame: npt.NDArray[np.int64],
        values: npt.NDArray[np.float64],
        error: npt.NDArray[np.float64],
        snr: npt.NDArray[np.float64],
        *,
        counts: float,
        zero: float,
    ) -> pd.DataFrame:
        """Name the columns, light in counts of the image again: ``value * counts + zero``."""
        dim = error.shape[1] - 1
        axes = ["z", "y", "x"][-dim:]
        columns = {
            **{axis: values[:, place] for place, axis in enumerate(axes)},
            **{f"{axis}_err": error[:, place] for place, axis in enumerate(axes)},
            "mass": values[:, dim] * abs(counts),
            "photons": values[:, dim],
            "background": values[:, dim + 1] * counts + zero,
            **dict(zip(["sigma", "sigma_z"], values[:, dim + 2 :].T, strict=False)),
            "snr": snr,
        }
        return pd.DataFrame({"frame": frame, **{name: columns[name] for name in self.columns(dim)}})

    def _check(self, shape: tuple[int, ...]) -> tuple[float, ...]:
        """Return the width of a spot per axis."""
        if len(shape) not in (2, 3):
            raise InputError(
                f"A frame has the axes (y, x) or (z, y, x); this one has the shape {shape}."
            )
        along_z = self.sigma if self.sigma_z is None else self.sigma_z
        sigma = (along_z, self.sigma, self.sigma)[-len(shape) :]
        for axis, size, width in zip("zyx"[-len(shape) :], shape, sigma, strict=True):
            if size < math.ceil(4 * width):
                field = "sigma_z" if axis == "z" else "sigma"
                raise InputError(
                    f"The frames are {size} px along {axis}, too small for spots of width "
                    f"(sigma) {width:g} px. Lower {field}"
                    + (", or use a projection along z." if axis == "z" else ".")
                )
        return sigma
