"""One session for each viewer; it ends with the viewer and tells what happens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Tracks
from napari.utils._proxies import PublicOnlyProxy

from napari_perrin._session import Session
from perrin.io import as_movie
from perrin.pipeline import Recipe


def a_layer() -> Tracks:
    return Tracks(np.array([[0, 0, 1, 1], [0, 1, 1, 1]]))


def test_one_session_for_each_viewer_whether_proxied_or_not() -> None:
    one, other = ViewerModel(), ViewerModel()
    assert Session.of(one) is Session.of(one)
    assert Session.of(PublicOnlyProxy(one)) is Session.of(one)
    assert Session.of(one) is not Session.of(other)
    assert Session.of(PublicOnlyProxy(one)).viewer is one


def test_records_belong_to_layers() -> None:
    session, one, other = Session.of(ViewerModel()), a_layer(), a_layer()
    assert session.record(one) is session.record(one)
    assert session.record(one) is not session.record(other)


def test_what_is_made_is_told_and_becomes_current() -> None:
    viewer, layer, heard = ViewerModel(), a_layer(), []
    session = Session.of(viewer)
    session.current_changed.connect(heard.append)
    movie = as_movie(np.arange(60).reshape(3, 4, 5))
    spots = pd.DataFrame({"frame": [0], "y": [1.0], "x": [1.0]})
    session.add_tracks(layer, movie, spots, Recipe())
    assert heard == [layer]
    assert session.record(layer).movie is movie
    assert session.record(layer).localizations is spots


def test_a_removed_layer_is_current_no_more() -> None:
    viewer, heard = ViewerModel(), []
    session, layer = Session.of(viewer), viewer.add_layer(a_layer())
    session.current = layer
    session.current_changed.connect(heard.append)
    viewer.layers.remove(layer)
    assert session.current is None
    assert heard == [None]


def test_selecting_the_same_tracks_again_says_nothing() -> None:
    session, layer, heard = Session.of(ViewerModel()), a_layer(), []
    session.selection_changed.connect(heard.append)
    session.select(layer, [1, 2])
    session.select(layer, {2, 1})
    assert heard == [layer]
    assert session.record(layer).selection == {1, 2}


def test_a_session_does_not_keep_its_viewer_alive() -> None:
    import gc
    import weakref

    viewer: Any = ViewerModel()
    session, gone = Session.of(viewer), weakref.ref(viewer)
    del viewer
    gc.collect()
    assert gone() is None
    assert session.viewer is None
