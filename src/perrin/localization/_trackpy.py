"""The Crocker–Grier detector, as trackpy implements it."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import field_validator, model_validator

from perrin._trackpy import quiet
from perrin.errors import InputError
from perrin.parameters import Parameters, parameter

__all__ = ["TrackpyDetector", "noise_of"]

_BITS = 20  # of the integers that an image is stretched to; their sums stay far below 2**63
_NOISE_MARGIN = 5.0  # standard deviations by which a spot must outshine the maxima of pure noise
_NOISE_SIDE = {2: 256, 3: 64}


class TrackpyDetector(Parameters):
    """Bright (or dark) spots by band-pass, local maxima and centroid (Crocker & Grier 1996).

    References
    ----------
    J. C. Crocker, D. G. Grier, J. Colloid Interface Sci. 179, 298 (1996); D. Allan et al., trackpy.
    """

    quality: ClassVar[str] = "mass"
    """Column by which spots are told from noise."""
    threshold_field: ClassVar[str] = "minmass"
    """Field that says the least of it."""
    size_field: ClassVar[str] = "diameter"
    """Field that says how large a spot is."""

    kind: Literal["trackpy"] = "trackpy"
    diameter: int = parameter(
        7,
        "Diameter of a spot, slightly more than what you see; an odd number.",
        unit="px",
        label="Spot diameter",
        ge=3,
    )
    minmass: float | None = parameter(
        None,
        "Least brightness of a spot, summed over its pixels above the surroundings; found from the "
        "noise of the image if left empty.",
        unit="counts",
        label="Least brightness",
        ge=0,
    )
    invert: bool = parameter(
        False, "Whether the spots are darker than their surroundings.", label="Dark spots"
    )
    separation: float | None = parameter(
        None,
        "Least distance between two spots; the diameter plus one if left empty.",
        unit="px",
        label="Separation",
        gt=0,
        advanced=True,
    )
    diameter_z: int | None = parameter(
        None,
        "Extent of a spot in z in a 3D movie, in planes; odd, the diameter if left empty.",
        unit="px",
        label="Spot extent in z",
        ge=3,
        advanced=True,
    )
    maxsize: float | None = parameter(
        None,
        "Largest radius of gyration of a spot; no limit if left empty.",
        unit="px",
        label="Largest size",
        gt=0,
        advanced=True,
    )
    noise_size: float = parameter(
        1.0,
        "Width of the Gaussian blur that removes the noise of single pixels.",
        unit="px",
        label="Noise size",
        ge=0,
        advanced=True,
    )
    smoothing_size: int | None = parameter(
        None,
        "Side of the square whose mean is taken off as background; an odd number, the diameter if "
        "left empty.",
        unit="px",
        label="Background size",
        ge=3,
        advanced=True,
    )
    threshold: float | None = parameter(
        None,
        "Pixels less than this above the background count as dark; 1 for whole-number images, and "
        "1/255 of the range of others, if left empty.",
        unit="counts",
        label="Threshold",
        ge=0,
        advanced=True,
    )
    percentile: float = parameter(
        64.0,
        "A spot's brightest pixel must exceed this percentage of the pixels that are not dark.",
        unit="%",
        label="Percentile",
        ge=0,
        lt=100,
        advanced=True,
    )
    topn: int | None = parameter(
        None,
        "Keep only so many spots per frame, the brightest; all if left empty.",
        label="Most spots per frame",
        ge=1,
        advanced=True,
    )
    preprocess: bool = parameter(
        True, "Whether to band-pass the image first.", label="Band-pass", advanced=True
    )
    max_iterations: int = parameter(
        10,
        "How often the centroid's window may move.",
        label="Most iterations",
        ge=1,
        advanced=True,
    )
    characterize: bool = parameter(
        True,
        "Whether to measure size, eccentricity, signal and expected error of each spot.",
        label="Characterize",
        advanced=True,
    )

    @field_validator("diameter", "diameter_z", "smoothing_size")
    @classmethod
    def _odd(cls, value: int | None) -> int | None:
        if value is not None and value % 2 == 0:
            raise ValueError(f"must be odd, so that a spot has a middle pixel; use {value + 1}")
        return value

    @model_validator(mode="after")
    def _background_wider_than_noise(self) -> TrackpyDetector:
        if self.preprocess and self.noise_size >= (self.smoothing_size or self.diameter):
            raise ValueError("noise_size must be smaller than the background size (the diameter)")
        return self

    @property
    def extent(self) -> float:
        """Pixels across a spot."""
        return float(self.diameter)

    def columns(self, ndim: int) -> list[str]:
        """Columns of what :meth:`locate` returns for an image with ``ndim`` axes."""
        positions = ["z", "y", "x"][-ndim:]
        if not self.characterize:
            return [*positions, "mass"]
        if self._is_isotropic(ndim):
            return [*positions, "mass", "size", "ecc", "signal", "raw_mass", "ep"]
        sizes = [f"size_{axis}" for axis in positions]
        errors = [f"ep_{axis}" for axis in positions]
        return [*positions, "mass", *sizes, "ecc", "signal", "raw_mass", *errors]

    def of_every_maximum(self) -> Self:
        """Return a faster detector that finds what this one takes for noise, too."""
        return self.model_copy(
            update={"minmass": 0.0, "maxsize": None, "topn": None, "characterize": False}
        )

    def frames_at_once(self, shape: tuple[int, ...]) -> int:
        """Return how many frames to hand to :meth:`locate_frames` at a time: one, for progress."""
        return 1

    def locate_frames(self, frames: npt.NDArray[Any], device: str = "auto") -> pd.DataFrame:
        """Find the spots of some frames, one after the other, on the CPU whatever the device.

        Returns
        -------
        pandas.DataFrame
            ``frame`` (from 0) and :meth:`columns`.
        """
        tables = [self.locate(image) for image in frames]
        for number, table in enumerate(tables):
            table.insert(0, "frame", number)
        return pd.concat(tables, ignore_index=True)

    def locate(self, image: npt.NDArray[Any]) -> pd.DataFrame:
        """Find the spots of one image, ``(Y, X)`` or ``(Z, Y, X)``, without NaN.

        Returns
        -------
        pandas.DataFrame
            :meth:`columns`, positions and sizes in pixels, brightness in counts of the image.

        Raises
        ------
        InputError
            If the image is smaller than a spot, or an option does not work in 3D.
        """
        import trackpy

        self._check(image)
        minmass = self.minmass if self.minmass is not None else self.find_minmass(image)
        stretched = _stretch(image, invert=self.invert)
        threshold = self.threshold
        if threshold is None:
            threshold = 1.0 if image.dtype.kind in "bui" else stretched.range / 255
        with quiet():
            found = trackpy.locate(
                stretched.image,
                self._per_axis(self.diameter, self.diameter_z, image.ndim),
                minmass=minmass * stretched.scale,
                maxsize=self.maxsize,
                separation=self._separation(image.ndim),
                noise_size=self.noise_size,
                smoothing_size=self._smoothing(image.ndim),
                threshold=threshold * stretched.scale,
                percentile=self.percentile,
                topn=self.topn,
                preprocess=self.preprocess,
                max_iterations=self.max_iterations,
                characterize=self.characterize,
            )
        found = found.reindex(columns=self.columns(image.ndim)).astype(np.float64)
        found["mass"] /= stretched.scale
        if self.characterize:
            found["signal"] /= stretched.scale
            n_pixels = self._n_pixels(image.ndim)
            raw = found["raw_mass"] / stretched.scale
            found["raw_mass"] = (
                n_pixels * stretched.zero - raw if self.invert else n_pixels * stretched.zero + raw
            )
        table: pd.DataFrame = found.reset_index(drop=True)
        return table

    def find_minmass(self, *images: npt.NDArray[Any]) -> float:
        """Return the brightness above which a spot of some images is unlikely to be noise.

        The noise of each image is measured with a filter that flat and sloping backgrounds and
        most spots leave alone (Immerkær 1996), taking the median so that the spots do not count.
        Then spots are sought in an image of nothing but the median noise, and the limit is set five
        standard deviations above the mean brightness of what is found there.

        Raises
        ------
        InputError
            If an image is smaller than a spot.

        References
        ----------
        J. Immerkær, Comput. Vis. Image Underst. 64, 300 (1996).
        """
        for image in images:
            self._check(image)
        sigma = float(np.median([noise_of(image) for image in images]))
        if sigma == 0:
            return 0.0
        image = images[0]
        side = _NOISE_SIDE[image.ndim]
        # A fixed seed: the same image must always give the same limit.
        noise = np.random.default_rng(0).normal(0.0, sigma, (side,) * image.ndim)
        # Every pixel counts here, or the few maxima above a threshold would stand for all noise.
        everything = self.model_copy(
            update={"minmass": 0.0, "topn": None, "maxsize": None, "invert": False}
        )
        if self.threshold is None and image.dtype.kind in "bui":
            everything = everything.model_copy(update={"threshold": 1.0})
        mass = everything.locate(noise)["mass"].to_numpy()
        if mass.size < 2:
            return 0.0
        limit = float(mass.mean() + _NOISE_MARGIN * mass.std())
        return float(f"{limit:.3g}")

    def _check(self, image: npt.NDArray[Any]) -> None:
        if image.ndim not in (2, 3):
            raise InputError(
                f"A frame has the axes (y, x) or (z, y, x); this one has the shape {image.shape}."
            )
        needed = self._per_axis(self.diameter, self.diameter_z, image.ndim)
        for axis, size, extent in zip("zyx"[-image.ndim :], image.shape, needed, strict=True):
            if size <= extent:
                field = "diameter_z" if axis == "z" else "diameter"
                raise InputError(
                    f"The frames are {size} px along {axis}, too small for spots of {extent} px. "
                    f"Lower {field}" + (", or use a projection along z." if axis == "z" else ".")
                )
        if self.maxsize is not None and not self._is_isotropic(image.ndim):
            raise InputError(
                "maxsize cannot be used when diameter and diameter_z differ; empty it."
            )

    def _is_isotropic(self, ndim: int) -> bool:
        return ndim == 2 or self.diameter_z in (None, self.diameter)

    @staticmethod
    def _per_axis(xy: Any, z: Any, ndim: int) -> tuple[Any, ...]:
        return (xy, xy) if ndim == 2 else (xy if z is None else z, xy, xy)

    def _separation(self, ndim: int) -> tuple[float, ...] | None:
        if self.separation is None:
            return None
        # In z, spots that are longer must be further apart in proportion.
        ratio = (self.diameter_z or self.diameter) / self.diameter
        return self._per_axis(self.separation, self.separation * ratio, ndim)

    def _smoothing(self, ndim: int) -> tuple[int, ...] | None:
        if self.smoothing_size is None:
            return None
        return self._per_axis(self.smoothing_size, self.diameter_z, ndim)

    def _n_pixels(self, ndim: int) -> int:
        from trackpy.masks import N_binary_mask

        diameters = self._per_axis(self.diameter, self.diameter_z, ndim)
        return int(N_binary_mask(tuple(d // 2 for d in diameters), ndim))


class _Stretched(NamedTuple):
    image: npt.NDArray[np.int32]  # (value - zero) * scale, or (zero - value) * scale
    scale: float
    zero: float
    range: float


def _stretch(image: npt.NDArray[Any], *, invert: bool) -> _Stretched:
    """Bring an image of any type to integers of about 20 bits.

    trackpy truncates the background of an integer image to whole counts, and reduces float images
    to 8 bits over the range of the frame: both lose faint spots. With a scale that is a power of
    two, nothing of a whole-number image is rounded.
    """
    values = image.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    span = high - low
    scale = 2.0 ** (_BITS - math.frexp(span)[1]) if span > 0 else 1.0
    zero = high if invert else low
    stretched = (zero - values if invert else values - zero) * scale
    return _Stretched(np.rint(stretched).astype(np.int32), scale, zero, span)


def noise_of(image: npt.NDArray[Any]) -> float:
    """Return the standard deviation of the noise of single pixels, robust against spots."""
    values = image.astype(np.float64)
    # The filter is [1, -2, 1] along both axes of the plane.
    residual = np.diff(np.diff(values, 2, axis=-1), 2, axis=-2)
    # 1.4826 turns the median of absolute values into a standard deviation of Gaussian noise.
    return float(1.4826 * np.median(np.abs(residual)) / 6)
