"""``perrin benchmark property``, with few particles and short trainings."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from perrin.cli import perrin_command
from perrin.learn.property import benchmark


def test_every_method_is_measured_and_every_table_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes = {
        "_TAUGHT": 24,
        "_TUNED": 12,
        "_TESTED": 12,
        "_FITTED": 10,
        "_N_SEEDS": 1,
        "_LENGTHS": (20,),
    }
    for name, size in sizes.items():
        monkeypatch.setattr(benchmark, name, size)
    monkeypatch.setattr(benchmark, "_EPOCHS", dict.fromkeys(benchmark._EPOCHS, 1))
    done = CliRunner().invoke(
        perrin_command, ["benchmark", "property", "--out", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0
    tables = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in benchmark.TITLES}
    mass = tables["hidden_mass"].set_index("method")
    assert list(mass.index) == list(benchmark.METHODS)
    assert mass["r2_published"].dropna().to_dict() == {
        "dense": 0.373,
        "convolutional": 0.408,
        "recurrent": -0.038,
        "convolutional recurrent": 0.461,
    }
    assert mass["r2"]["regression on the force"] > 0.9  # which needs no training
    assert (mass["n"] == 12).all()
    assert set(mass.index[mass["coverage"].notna()]) == {
        "likelihood of the path",
        "posterior network",
    }
    assert len(tables["collapses"]) == 1
    fitted = tables["in_potential"]
    assert set(fitted["motion"]) == {"overdamped", "overdamped, kT known", "inertial"}
    assert (fitted["coverage"] > 0.6).all()  # 90 % of 10, three standard deviations away
