"""Tracks as a file that TrackMate opens.

The form is that of TrackMate 7: https://imagej.net/plugins/trackmate (Ershov et al., Nature Methods
19, 829, 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from perrin.tracks import Calibration, axes_of, index_tracks

__all__ = ["write_trackmate"]

_VERSION = "7.11.1"
_RADIUS = 3.5
"""Radius in pixels where the table has no column ``radius``; TrackMate draws no spot without."""

# feature, name, short name, dimension, whether it is a whole number
_FEATURES = {
    "Spot": (
        ("QUALITY", "Quality", "Quality", "QUALITY", False),
        ("POSITION_X", "X", "X", "POSITION", False),
        ("POSITION_Y", "Y", "Y", "POSITION", False),
        ("POSITION_Z", "Z", "Z", "POSITION", False),
        ("POSITION_T", "T", "T", "TIME", False),
        ("FRAME", "Frame", "Frame", "NONE", True),
        ("RADIUS", "Radius", "R", "LENGTH", False),
        ("VISIBILITY", "Visibility", "Visibility", "NONE", True),
    ),
    "Edge": (
        ("SPOT_SOURCE_ID", "Source spot ID", "Source ID", "NONE", True),
        ("SPOT_TARGET_ID", "Target spot ID", "Target ID", "NONE", True),
    ),
    "Track": (
        ("TRACK_INDEX", "Track index", "Index", "NONE", True),
        ("TRACK_ID", "Track ID", "ID", "NONE", True),
        ("NUMBER_SPOTS", "Number of spots in track", "N spots", "NONE", True),
        ("NUMBER_GAPS", "Number of gaps", "N gaps", "NONE", True),
    ),
}


def write_trackmate(tracks: pd.DataFrame, path: Path) -> None:
    """Write a checked track table to a file that is there to be filled.

    Positions are written in µm and times in seconds where the calibration in
    ``attrs["calibration"]`` states them, else in pixels and frames. Of further columns ``quality``
    and ``radius`` (pixels) are kept. TrackMate knows no track of a single spot: such spots are
    there, and in no track.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in _lines(tracks))


def _lines(tracks: pd.DataFrame) -> Iterator[str]:
    calibration = tracks.attrs.get("calibration", Calibration())
    size = calibration.pixel_size or 1.0
    depth = calibration.z_step or size
    interval = calibration.frame_interval or 1.0
    length = "micron" if calibration.pixel_size else "pixel"
    time = "sec" if calibration.frame_interval else "frame"
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<TrackMate version="{_VERSION}">'
    yield f'  <Model spatialunits="{length}" timeunits="{time}">'
    yield from _declarations()
    yield from _spots(tracks, size, depth, interval)
    yield from _tracks(tracks)
    yield "  </Model>"
    yield from _settings(tracks, size, depth, interval)
    yield '  <GUIState state="ConfigureViews" />'
    yield "</TrackMate>"


def _declarations() -> Iterator[str]:
    yield "    <FeatureDeclarations>"
    for kind, features in _FEATURES.items():
        yield f"      <{kind}Features>"
        for feature, name, short, dimension, whole in features:
            yield (
                f'        <Feature feature="{feature}" name="{name}" shortname="{short}" '
                f'dimension="{dimension}" isint="{str(whole).lower()}" />'
            )
        yield f"      </{kind}Features>"
    yield "    </FeatureDeclarations>"


def _spots(tracks: pd.DataFrame, size: float, depth: float, interval: float) -> Iterator[str]:
    """Write spots frame by frame; a spot's number is its row in the table."""
    n = len(tracks)
    scale = {"x": size, "y": size, "z": depth}
    places = {axis: tracks[axis].to_numpy(np.float64) * scale[axis] for axis in axes_of(tracks)}
    x, y, z = (places.get(axis, np.zeros(n)).tolist() for axis in "xyz")
    radius = _column(tracks, "radius", _RADIUS) * size
    quality = _column(tracks, "quality", 1.0)
    frame = tracks["frame"].to_numpy()
    order = np.argsort(frame, kind="stable")
    frames, starts = np.unique(frame[order], return_index=True)
    yield f'    <AllSpots nspots="{n}">'
    for number, rows in zip(frames.tolist(), np.split(order, starts[1:]), strict=True):
        yield f'      <SpotsInFrame frame="{number}">'
        for row in rows.tolist():
            yield (
                f'        <Spot ID="{row}" name="ID{row}" QUALITY="{quality[row]}" '
                f'POSITION_X="{x[row]}" POSITION_Y="{y[row]}" POSITION_Z="{z[row]}" '
                f'POSITION_T="{number * interval}" FRAME="{number}" RADIUS="{radius[row]}" '
                'VISIBILITY="1" />'
            )
        yield "      </SpotsInFrame>"
    yield "    </AllSpots>"


def _tracks(tracks: pd.DataFrame) -> Iterator[str]:
    index = index_tracks(tracks)
    spans = index.spans(tracks["frame"].to_numpy(np.int64))
    chosen = np.flatnonzero(index.lengths > 1)
    yield "    <AllTracks>"
    for place, track in enumerate(chosen.tolist()):
        particle, n = int(index.particles[track]), int(index.lengths[track])
        yield (
            f'      <Track name="Track_{particle}" TRACK_INDEX="{place}" TRACK_ID="{particle}" '
            f'NUMBER_SPOTS="{n}" NUMBER_GAPS="{int(spans[track]) - n}">'
        )
        for row in range(int(index.starts[track]), int(index.stops[track]) - 1):
            yield f'        <Edge SPOT_SOURCE_ID="{row}" SPOT_TARGET_ID="{row + 1}" />'
        yield "      </Track>"
    yield "    </AllTracks>"
    yield "    <FilteredTracks>"
    for track in chosen.tolist():
        yield f'      <TrackID TRACK_ID="{int(index.particles[track])}" />'
    yield "    </FilteredTracks>"


def _settings(tracks: pd.DataFrame, size: float, depth: float, interval: float) -> Iterator[str]:
    ends = {axis: int(np.ceil(tracks[axis].max())) + 1 for axis in axes_of(tracks)}
    width, height, slices = (max(1, ends.get(axis, 1)) for axis in "xyz")
    n_frames = int(tracks["frame"].max()) + 1
    yield "  <Settings>"
    yield (
        f'    <ImageData filename="" folder="" width="{width}" height="{height}" '
        f'nslices="{slices}" nframes="{n_frames}" pixelwidth="{size}" pixelheight="{size}" '
        f'voxeldepth="{depth}" timeinterval="{interval}" />'
    )
    yield (
        f'    <BasicSettings xstart="0" xend="{width - 1}" ystart="0" yend="{height - 1}" '
        f'zstart="0" zend="{slices - 1}" tstart="0" tend="{n_frames - 1}" />'
    )
    yield f'    <DetectorSettings DETECTOR_NAME="MANUAL_DETECTOR" RADIUS="{_RADIUS * size}" />'
    yield '    <InitialSpotFilter feature="QUALITY" value="0.0" isabove="true" />'
    yield "    <SpotFilterCollection />"
    yield '    <TrackerSettings TRACKER_NAME="MANUAL_TRACKER" />'
    yield "    <TrackFilterCollection />"
    yield "    <AnalyzerCollection>"
    yield "      <SpotAnalyzers />"
    yield "      <EdgeAnalyzers />"
    yield "      <TrackAnalyzers />"
    yield "    </AnalyzerCollection>"
    yield "  </Settings>"


def _column(tracks: pd.DataFrame, name: str, default: float) -> np.ndarray:
    if name not in tracks:
        return np.full(len(tracks), default)
    return tracks[name].fillna(default).to_numpy(np.float64)
