"""The script that writes the benchmark's tables into the documentation."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from pathlib import Path

import pandas as pd
import pytest

from perrin.engine.benchmarks.plots import PLOTS
from perrin.engine.benchmarks.views import VIEWS

ROOT = Path(__file__).parents[3]


def load_script():
    folder = str(ROOT / "benchmarks")
    if folder not in sys.path:  # as when it is run
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location("report", ROOT / "benchmarks/report.py")
    assert spec is not None
    assert spec.loader is not None
    report = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(report)
    return report


def attm(f1: float) -> pd.DataFrame:
    figures = {"alpha_mae": 0.1, "model_f1": f1}
    errors = {f"{name}_se": 0.01 for name in figures}
    track = {"protocol": "theory-v1", "attm": "jittering", "group": "all"}
    return pd.DataFrame([{**track, **figures, **errors}])


def test_marked_tables_are_replaced_and_nothing_else() -> None:
    with_tables = load_script().with_tables
    page = "Before.\n\n<!-- table: attm -->\nold\n<!-- end -->\n\nAfter, 0.7.\n"
    page += "<!-- table: blur -->\nnot measured\n<!-- end -->\n"
    once = with_tables(page, {"attm": attm(0.8)})
    assert "| theory-v1 | all | 0.1000 ± 0.0100 | 0.8000 ± 0.0100 |" in once
    assert "old" not in once
    assert once.startswith("Before.\n\n<!-- table: attm -->\n| protocol |")
    assert once.endswith(page[page.index("\n\nAfter") :])
    assert with_tables(once, {"attm": attm(0.8)}) == once
    with pytest.raises(KeyError, match="unheard"):
        with_tables("<!-- table: unheard -->\n<!-- end -->", {})


def test_the_page_on_learning_marks_every_view() -> None:
    load_script()
    page = (ROOT / "docs/learn.md").read_text(encoding="utf-8")
    views = importlib.import_module("_learn_views").LEARN_VIEWS
    assert re.findall(r"<!-- table: (\w+) -->", page) == list(views)


def test_the_page_marks_every_view_and_shows_every_plot() -> None:
    page = (ROOT / "docs/engine.md").read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- table: (\w+) -->", page)) == set(VIEWS)
    assert set(re.findall(r"\(images/engine-(\w+)\.png\)", page)) == set(PLOTS)
