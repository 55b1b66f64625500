"""The wheel, built and installed elsewhere, holds everything that the checkout does."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build as for a release: a source distribution, and the wheel out of that."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the wheel and, borrowed from this one, what it depends on."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    (packages,) = (Path(p) for p in folder.glob("[Ll]ib/**/site-packages"))
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
    ]
    done = subprocess.run([*install, wheel], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # A .pth file adds the folders behind the wheel's own, and does not run the .pth files there,
    # one of which is the editable install of this checkout.
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return python


def _run(python: Path, *arguments: str | Path, folder: Path) -> str:
    done = subprocess.run([python, *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def test_wheel_holds_types_manifest_samples_weights_and_licence(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "perrin/py.typed",
        "napari_perrin/py.typed",
        "napari_perrin/napari.yaml",
        "perrin/engine/bundled/andi.safetensors",
        "perrin/engine/bundled/andi.yaml",
    ):
        assert name in names
    in_checkout = {path.name for path in (ROOT / "sample_data").glob("*.tif")}
    in_wheel = {Path(n).name for n in names if n.startswith("perrin/sample_data/")}
    assert in_checkout
    assert in_checkout <= in_wheel
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "src/"))]


def test_installed_wheel_finds_its_parts(elsewhere: Path, tmp_path: Path) -> None:
    script = """
import pathlib, perrin, napari_perrin
from perrin.engine.weights import BUNDLED
from perrin.samples import sample_path
print(perrin.__file__)
assert BUNDLED.is_file()
for name in perrin.SAMPLES:
    assert sample_path(name).is_file(), name
    assert 'site-packages' in str(sample_path(name)), name
"""
    where = _run(elsewhere, "-c", script, folder=tmp_path)
    assert Path(where).is_relative_to(elsewhere.parents[1])


def test_installed_wheel_analyses_a_sample(elsewhere: Path, tmp_path: Path) -> None:
    command = elsewhere.with_name("perrin" + elsewhere.suffix)
    name = _run(command, "samples", folder=tmp_path).split()[0]
    _run(command, "samples", name, "--out", "sample.tif", folder=tmp_path)
    _run(command, "run", "sample.tif", "--out", "results", "--device", "cpu", folder=tmp_path)
    assert (tmp_path / "results/per_track.csv").stat().st_size > 0


def test_installed_manifest_is_valid(elsewhere: Path, tmp_path: Path) -> None:
    said = _run(elsewhere, "-m", "npe2", "validate", "napari-perrin", folder=tmp_path)
    assert "Manifest for 'Perrin' valid!" in said


def test_manifest_at_the_top_is_that_of_the_package() -> None:
    top = ROOT / "napari.yaml"
    assert top.samefile(ROOT / "src/napari_perrin/napari.yaml")


def test_one_version() -> None:
    import perrin

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == perrin.__version__ == version("napari-perrin")


def test_constraints_pin_every_dependency_within_its_bounds() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {name.lower().replace("_", "-"): pin for name, pin in pins.items()}
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = content["dependency-groups"]
    for text in [*content["project"]["dependencies"], *groups["test"], *groups["lint"]]:
        requirement = Requirement(text)
        assert requirement.name.lower() in pins, f"{requirement.name}: run `make constraints`"
        assert requirement.specifier.contains(pins[requirement.name.lower()]), text
    assert pins["torch"] == "2.13.0"


def test_no_window_toolkit_is_forced_on_anybody() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {Requirement(text).name.lower() for text in project["dependencies"]}
    assert not names & {"napari", "pyqt5", "pyqt6", "pyside2", "pyside6", "pyarrow", "polars"}
