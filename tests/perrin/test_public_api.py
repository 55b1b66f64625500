from __future__ import annotations

import subprocess
import sys

import pytest

import perrin
from perrin.models import MODEL_COLORS, MODEL_DESCRIPTIONS, MODELS


@pytest.mark.parametrize("name", perrin.__all__)
def test_every_name_of_the_contents_is_there(name: str) -> None:
    assert getattr(perrin, name) is not None
    assert name in dir(perrin)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = perrin.analyse


def _modules_after(code: str) -> set[str]:
    script = f"{code}\nimport sys\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


def test_import_loads_neither_torch_nor_window() -> None:
    loaded = _modules_after(
        "import perrin\nfrom perrin import Movie, Recipe, TrackpyDetector, run, read_tracks"
    )
    assert not loaded & {"torch", "napari", "qtpy", "PyQt6", "matplotlib", "trackpy", "numba"}


def test_help_of_the_command_line_loads_no_torch() -> None:
    loaded = _modules_after(
        "from perrin.cli import perrin_command as c\n"
        "c.main(['--help'], standalone_mode=False)\n"
        "c.main(['run', '--help'], standalone_mode=False)"
    )
    assert "perrin.cli._movies" in loaded
    assert not loaded & {"torch", "napari", "trackpy", "numba"}


def test_science_imports_no_window() -> None:
    loaded = _modules_after(
        "import pkgutil, importlib, perrin\n"
        "for m in pkgutil.walk_packages(perrin.__path__, 'perrin.'):\n"
        "    if not m.name.endswith('__main__'):\n"
        "        importlib.import_module(m.name)"
    )
    assert {"perrin.pipeline", "perrin.engine", "perrin.cli._engine"} <= loaded
    assert not loaded & {"napari", "qtpy", "PyQt6", "magicgui", "npe2"}


def test_every_model_has_words_and_a_colour() -> None:
    assert tuple(MODEL_DESCRIPTIONS) == tuple(MODEL_COLORS) == MODELS
    assert len(set(MODEL_COLORS.values())) == len(MODELS)
