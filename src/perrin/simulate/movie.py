"""Movies of simulated particles: a Gaussian spot for each, and a camera's noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import model_validator
from scipy.special import erf

from perrin.errors import InputError, Progress
from perrin.parameters import Parameters, parameter
from perrin.tracks import axes_of, validate_tracks

__all__ = ["Camera", "expected_photons", "render_movie"]

_REACH = 5.0  # standard deviations of the spot that are drawn; 6e-7 of the light is beyond
_SATURATION = np.iinfo(np.uint16).max


class Camera(Parameters):
    """Spot and camera: from photons to the counts in a file.

    Photons that a pixel detects are Poisson distributed. An electron-multiplying register, if
    there is one, adds its excess noise; then come read noise, gain and offset (as in the models of
    Hirsch et al., PLoS ONE 8, e53671, 2013).
    """

    psf_sigma: float = parameter(
        1.3, "Standard deviation of a spot (Gaussian).", unit="px", label="Spot width", gt=0
    )
    psf_sigma_z: float = parameter(
        2.5,
        "Standard deviation of a spot along z, in 3D movies.",
        unit="px",
        label="Spot width in z",
        gt=0,
        advanced=True,
    )
    photons: float = parameter(
        600.0,
        "Photons detected from one particle in one frame, on average.",
        unit="photons",
        label="Photons per spot",
        ge=0,
    )
    background: float = parameter(
        8.0,
        "Photons detected per pixel and frame away from any particle, on average.",
        unit="photons",
        label="Background",
        ge=0,
    )
    gain: float = parameter(
        2.0,
        "Counts per photoelectron.",
        unit="counts",
        label="Gain",
        gt=0,
        advanced=True,
    )
    offset: float = parameter(
        100.0,
        "Counts of a pixel in the dark.",
        unit="counts",
        label="Offset",
        ge=0,
        advanced=True,
    )
    read_noise: float = parameter(
        1.5,
        "Standard deviation of the noise of reading a pixel.",
        unit="electrons",
        label="Read noise",
        ge=0,
        advanced=True,
    )
    em_gain: float = parameter(
        1.0,
        "Electrons out per electron in of an electron-multiplying (EM) register; 1 for none. Gain "
        "and read noise count after it.",
        label="EM gain",
        ge=1,
        advanced=True,
    )

    @model_validator(mode="after")
    def _fits_into_16_bits(self) -> Camera:
        if self.offset + self.gain * self.em_gain * self.background >= _SATURATION:
            raise ValueError("offset and background alone saturate the camera (16 bits)")
        return self

    @property
    def counts_per_photon(self) -> float:
        """Mean counts that one detected photon adds."""
        return self.gain * self.em_gain

    def record(
        self, photons: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.uint16]:
        """Turn expected photons per pixel into the counts of one exposure.

        Parameters
        ----------
        photons
            Any shape; expected photons, background included.
        rng
            Source of the noise.

        Returns
        -------
        numpy.ndarray
            The same shape, uint16; clipped at 0 and 65535 as a camera does.
        """
        electrons = rng.poisson(photons).astype(np.float64)
        if self.em_gain > 1:
            # n electrons through a register of many stages: a gamma distribution of shape n
            # (Basden et al., Mon. Not. R. Astron. Soc. 345, 985, 2003); none give none.
            lit = electrons > 0
            electrons[lit] = rng.gamma(electrons[lit], self.em_gain)
        if self.read_noise > 0:
            electrons += rng.normal(0.0, self.read_noise, electrons.shape)
        counts = np.rint(self.offset + self.gain * electrons)
        return counts.clip(0, _SATURATION).astype(np.uint16)


def render_movie(
    tracks: pd.DataFrame,
    shape: Sequence[int],
    n_frames: int | None = None,
    camera: Camera | None = None,
    seed: int | None = None,
    *,
    progress: Progress | None = None,
) -> npt.NDArray[np.uint16]:
    """Record simulated tracks with a simulated camera.

    Parameters
    ----------
    tracks
        A track table in 2D or 3D (pixels; 0 is the middle of the first pixel). A column
        ``photons``, if there is one, replaces the camera's photons per spot, row by row.
    shape
        ``(Y, X)`` for tracks in 2D, ``(Z, Y, X)`` in 3D. What is outside is not seen.
    n_frames
        How many frames to make; up to the last in the table if not given.
    camera
        Spot and noise; :class:`Camera` with its defaults if not given.
    seed
        The same seed gives the same movie.
    progress
        Called after every frame; may raise :class:`perrin.Cancelled`.

    Returns
    -------
    numpy.ndarray
        ``(T, Y, X)`` or ``(T, Z, Y, X)``, uint16. Particles are at rest while the shutter is open.

    Raises
    ------
    InputError
        If the table is no track table in as many dimensions as ``shape``, has negative frames or
        photons, or a size is not positive.
    """
    camera = camera or Camera()
    tracks = validate_tracks(tracks)
    size = tuple(int(n) for n in shape)
    axes = axes_of(tracks)
    if len(size) != len(axes) or len(axes) < 2 or min(size) < 1:
        raise InputError(
            f"Tracks with the positions {', '.join(axes)} need a shape of {len(axes)} sizes in "
            f"that order (2D or 3D); given: {tuple(shape)}."
        )
    frame = tracks["frame"].to_numpy()
    if n_frames is None:
        n_frames = int(frame.max()) + 1 if len(frame) else 0
    if n_frames < 1 or (frame < 0).any():
        raise InputError("A movie needs at least one frame, and frames count from 0.")
    brightness = _brightness(tracks, camera)
    rng = np.random.default_rng(seed)
    movie = np.empty((n_frames, *size), np.uint16)
    order = np.argsort(frame, kind="stable")
    bounds = np.searchsorted(frame[order], np.arange(n_frames + 1))
    positions = tracks[list(axes)].to_numpy(np.float64)
    for number in range(n_frames):
        rows = order[bounds[number] : bounds[number + 1]]
        expected = expected_photons(positions[rows], brightness[rows], size, camera)
        movie[number] = camera.record(expected + camera.background, rng)
        if progress is not None:
            progress("Rendering", number + 1, n_frames)
    return movie


def expected_photons(
    positions: npt.NDArray[np.float64],
    photons: npt.NDArray[np.float64],
    shape: tuple[int, ...],
    camera: Camera,
) -> npt.NDArray[np.float64]:
    """Mean photons per pixel from all particles of one frame, without background.

    The Gaussian is integrated over each pixel, not taken at its middle, so that the light of a
    spot inside the image is conserved however narrow the spot is.

    Parameters
    ----------
    positions
        ``(n, dim)``: z, y, x or y, x of each particle (pixels).
    photons
        ``(n,)``: mean photons of each particle.
    shape
        ``(Y, X)`` or ``(Z, Y, X)``.
    camera
        Gives the width of the spot.

    Returns
    -------
    numpy.ndarray
        ``shape``, float.
    """
    dim = len(shape)
    sigma = np.array([camera.psf_sigma_z, camera.psf_sigma, camera.psf_sigma][-dim:])
    reach = [math.ceil(_REACH * s) for s in sigma]
    inside = np.all((positions > -1 - np.array(reach)) & (positions < np.array(shape) + reach), 1)
    positions, photons = positions[inside], photons[inside]
    # A border as wide as a spot spares the treatment of spots that overlap the edge.
    padded = np.zeros([n + 2 * (2 * r + 1) for n, r in zip(shape, reach, strict=True)])
    middle = np.rint(positions).astype(np.int64)
    index: list[npt.NDArray[np.int64]] = []
    patch = photons.reshape(-1, *[1] * dim)
    for axis in range(dim):
        offsets = np.arange(-reach[axis], reach[axis] + 1)
        pixels = middle[:, axis, None] + offsets
        edges = np.concatenate((pixels - 0.5, pixels[:, -1:] + 0.5), 1)
        z = (edges - positions[:, axis, None]) / (math.sqrt(2) * sigma[axis])
        share = np.diff(erf(z), axis=1) / 2
        along = [-1] + [offsets.size if a == axis else 1 for a in range(dim)]
        patch = patch * share.reshape(along)
        index.append((pixels + 2 * reach[axis] + 1).reshape(along))
    np.add.at(padded, tuple(index), patch)
    crop = tuple(slice(2 * r + 1, 2 * r + 1 + n) for n, r in zip(shape, reach, strict=True))
    return padded[crop]


def _brightness(tracks: pd.DataFrame, camera: Camera) -> npt.NDArray[np.float64]:
    if "photons" not in tracks.columns:
        return np.full(len(tracks), camera.photons)
    values = pd.to_numeric(tracks["photons"], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~(values >= 0) | np.isinf(values))
    if bad.size:
        raise InputError(
            f"Column 'photons' of the track table holds {tracks['photons'].iloc[bad[0]]!r} in row "
            f"{tracks.index[bad[0]]}; photons are numbers of at least 0."
        )
    return values
