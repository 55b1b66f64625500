"""TrackMate's files: its own, its simple export, and its table of spots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perrin import Calibration, InputError, read_tracks

EXPORT = """<?xml version="1.0" encoding="UTF-8"?>
<Tracks nTracks="2" spaceUnits="{space}" frameInterval="0.05" timeUnits="{time}" from="TrackMate">
  <particle nSpots="2">
    <detection t="0" x="1.0" y="2.0" z="{z}" /><detection t="1" x="1.5" y="2.5" z="0.0" />
  </particle>
  <particle nSpots="1"><detection t="3" x="9.0" y="8.0" z="0.0" /></particle>
</Tracks>
"""

MODEL = """<?xml version="1.0" encoding="UTF-8"?>
<TrackMate version="7.11.1">
  <Model spatialunits="micron" timeunits="sec">
    <AllSpots nspots="8">
      <SpotsInFrame frame="0">{spot1}{spot2}</SpotsInFrame>
      <SpotsInFrame frame="1">{spot3}{spot4}{spot9}</SpotsInFrame>
      <SpotsInFrame frame="2">{spot5}{spot6}{spot7}</SpotsInFrame>
    </AllSpots>
    <AllTracks>
      <Track name="Track_0" TRACK_ID="0" NUMBER_SPOTS="3">
        <Edge SPOT_SOURCE_ID="1" SPOT_TARGET_ID="3" /><Edge SPOT_SOURCE_ID="5" SPOT_TARGET_ID="3" />
      </Track>
      <Track name="Track_1" TRACK_ID="1" NUMBER_SPOTS="4">
        <Edge SPOT_SOURCE_ID="2" SPOT_TARGET_ID="4" /><Edge SPOT_SOURCE_ID="4" SPOT_TARGET_ID="6" />
        <Edge SPOT_SOURCE_ID="4" SPOT_TARGET_ID="7" />
      </Track>
      <Track name="Track_2" TRACK_ID="2" NUMBER_SPOTS="2">
        <Edge SPOT_SOURCE_ID="9" SPOT_TARGET_ID="5" />
      </Track>
    </AllTracks>
    <FilteredTracks>{visible}</FilteredTracks>
  </Model>
  <Settings>
    <ImageData filename="a.tif" pixelwidth="0.2" pixelheight="0.2" voxeldepth="0.5"
               timeinterval="0.05" nframes="3" />
  </Settings>
</TrackMate>
"""


def model(visible: tuple[int, ...] = (0, 1)) -> str:
    frames = {1: 0, 2: 0, 3: 1, 4: 1, 9: 1, 5: 2, 6: 2, 7: 2}
    spots = {
        f"spot{i}": f'<Spot ID="{i}" QUALITY="{i}.5" POSITION_X="{i * 0.2}" POSITION_Y="0.4" '
        f'POSITION_Z="0.0" POSITION_T="{f * 0.05}" FRAME="{f}" RADIUS="0.6" VISIBILITY="1" />'
        for i, f in frames.items()
    }
    tracks = "".join(f'<TrackID TRACK_ID="{i}" />' for i in visible)
    return MODEL.format(**spots, visible=tracks)


def save(tmp_path: Path, text: str, name: str = "t.xml") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize(
    ("space", "time", "calibration"),
    [("pixel", "frame", None), ("micron", "sec", (1.0, 0.05)), ("nm", "ms", (0.001, 5e-5)),
     ("µm", "s", (1.0, 0.05))],
)  # fmt: skip
def test_simple_export(
    tmp_path: Path, space: str, time: str, calibration: tuple[float, float] | None
) -> None:
    tracks = read_tracks(save(tmp_path, EXPORT.format(space=space, time=time, z="0.0")))
    assert tracks.columns.tolist() == ["particle", "frame", "y", "x"]
    assert tracks.to_numpy().tolist() == [[0, 0, 2, 1], [0, 1, 2.5, 1.5], [1, 3, 8, 9]]
    if calibration is None:
        assert "calibration" not in tracks.attrs
    else:
        assert tracks.attrs["calibration"] == Calibration(
            pixel_size=calibration[0], frame_interval=calibration[1]
        )


def test_z_is_kept_where_it_says_something(tmp_path: Path) -> None:
    tracks = read_tracks(save(tmp_path, EXPORT.format(space="pixel", time="frame", z="4.0")))
    assert tracks["z"].tolist() == [4.0, 0.0, 0.0]


def test_own_file_in_pixels_with_calibration(tmp_path: Path) -> None:
    tracks = read_tracks(save(tmp_path, model(visible=(0,))))
    assert tracks["particle"].tolist() == [0, 0, 0]  # not branched: keeps its number
    assert tracks["frame"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(tracks["x"], [1, 3, 5])
    np.testing.assert_allclose(tracks["y"], 2)
    np.testing.assert_allclose(tracks["radius"], 3)
    assert tracks["quality"].tolist() == [1.5, 3.5, 5.5]
    assert tracks.attrs["calibration"] == Calibration(
        pixel_size=0.2, frame_interval=0.05, z_step=0.5
    )


def test_a_track_that_splits_becomes_three(tmp_path: Path) -> None:
    tracks = read_tracks(save(tmp_path, model()))
    pieces = [sorted(np.rint(piece["x"]).astype(int)) for _, piece in tracks.groupby("particle")]
    assert sorted(pieces) == [[1, 3, 5], [2, 4], [6], [7]]
    assert not tracks.duplicated(["particle", "frame"]).any()


def test_splits_in_the_simple_export_are_refused(tmp_path: Path) -> None:
    text = EXPORT.format(space="pixel", time="frame", z="0").replace('t="1"', 't="0"')
    with pytest.raises(InputError, match=r"split or merge.*TrackMate session itself"):
        read_tracks(save(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html></html>", "not from TrackMate.*<html>"),
        ("not xml at all", "not complete XML"),
        (model()[:1500], "not complete XML"),
        (EXPORT.format(space="pixel", time="frame", z="0")[:300], "not complete XML"),
        (EXPORT.format(space="pixel", time="frame", z="zero"), "missing or not a number"),
        (model().replace('FRAME="0"', ""), "'FRAME' is missing"),
        (model().replace('SPOT_TARGET_ID="3"', 'SPOT_TARGET_ID="33"'), "does not hold.*spot 33"),
        (model(visible=()), "holds no tracks"),
        ("<Tracks></Tracks>", "holds no tracks"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=rf"(?s)t\.xml.*{words}"):
        read_tracks(save(tmp_path, text))


SPOTS = """LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME,RADIUS
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,Radius
Label,Spot ID,Track ID,Quality,X,Y,Z,T,Frame,R
,,,(quality),({0}),({0}),({0}),({1}),,({0})
ID1,1,0,5.5,1.0,2.0,0.0,0.0,0,0.5
ID2,2,0,5.6,1.5,2.5,0.0,0.04,1,0.5
ID3,3,,5.6,9.5,9.5,0.0,0.04,1,0.5
"""


def test_table_of_spots(tmp_path: Path) -> None:
    tracks = read_tracks(save(tmp_path, SPOTS.format("micron", "sec"), "t.csv"))
    assert tracks[["particle", "frame", "y", "x"]].to_numpy().tolist() == [
        [0, 0, 2, 1], [0, 1, 2.5, 1.5],
    ]  # fmt: skip
    assert "z" not in tracks.columns
    assert tracks.attrs["calibration"] == Calibration(pixel_size=1.0, frame_interval=0.04)
    in_pixels = read_tracks(save(tmp_path, SPOTS.format("pixel", "frame"), "u.csv"))
    assert "calibration" not in in_pixels.attrs


@pytest.mark.parametrize(
    ("length", "time", "expected"),
    [("nm", "min", (1e-3, 2.4)), ("micron", "frame", (1.0, None)), ("pixel", "ms", (None, 4e-5))],
)
def test_each_column_of_the_table_of_spots_has_its_own_unit(
    tmp_path: Path, length: str, time: str, expected: tuple[float | None, float | None]
) -> None:
    tracks = read_tracks(save(tmp_path, SPOTS.format(length, time), "t.csv"))
    calibration = tracks.attrs["calibration"]
    assert (calibration.pixel_size, calibration.frame_interval) == expected


def test_text_in_the_table_of_spots(tmp_path: Path) -> None:
    text = SPOTS.format("micron", "sec").replace("ID2,2,0,5.6,1.5", "ID2,2,0,5.6,oops")
    with pytest.raises(InputError, match="text 'oops' in column 'x', row 6"):
        read_tracks(save(tmp_path, text, "t.csv"))


@pytest.mark.parametrize("n_lines", [1, 4, 5])
def test_table_of_spots_that_are_not_linked(tmp_path: Path, n_lines: int) -> None:
    lines = [*SPOTS.format("pixel", "frame").splitlines()[:4], "ID3,3,,5,9,9,0,0.04,1,1"]
    text = "\n".join(lines[:n_lines])
    with pytest.raises(InputError, match=r"No spot of t\.csv belongs to a track"):
        read_tracks(save(tmp_path, text, "t.csv"))
