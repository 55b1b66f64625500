"""The tables of ``perrin benchmark learn`` and ``property`` as docs/learn.md shows them."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

__all__ = ["LEARN_VIEWS"]

_STEPS = 30
_CLASSES = ("collagen", "plastic", "fibronectin")


def by_steps(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each network by number of steps, 0 being whole tracks."""
    some = table.dropna(subset=["accuracy_se"])
    lengths = [*sorted(n for n in some["n_steps"].unique() if n), 0]
    shown = {"network": list(some["network"].unique())}
    for n in lengths:
        of_length = some[some["n_steps"] == n].set_index("network").loc[shown["network"]]
        title = f"{n} steps" if n else "whole tracks"
        shown[title] = _with_error(of_length["accuracy"], of_length["accuracy_se"])
    return pd.DataFrame(shown)


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy on pieces of 30 steps, in all and by class; the published one first."""
    some = table[table["n_steps"] == _STEPS]
    some = pd.concat([some[some["accuracy_se"].isna()], some[some["accuracy_se"].notna()]])
    columns = {name: _plain(some[name]) for name in _CLASSES}
    whole = _with_error(some["accuracy"], some["accuracy_se"])
    return pd.DataFrame({"network": list(some["network"]), "all": whole} | columns)


def few_tracks(table: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each network by number of training tracks."""
    shown = {"network": list(table["network"].unique())}
    for n, part in table.groupby("n_tracks"):
        part = part.set_index("network").loc[shown["network"]]
        shown[f"{n} tracks per class"] = _with_error(part["accuracy"], part["accuracy_se"])
    return pd.DataFrame(shown)


def hidden_mass(table: pd.DataFrame) -> pd.DataFrame:
    """How well each method finds the mass."""
    held = [
        "" if pd.isna(share) else f"{100 * share:.1f} ± {100 * error:.1f} %"
        for share, error in zip(table["coverage"], table["coverage_se"], strict=True)
    ]
    return pd.DataFrame(
        {
            "": table["method"],
            "R², published": _plain(table["r2_published"], ""),
            "R²": _with_error(table["r2"], table["r2_se"], 4),
            "median error": _plain(table["median_error"], "", 4),
            "intervals of 90 % hold": held,
            "their median width": _plain(table["width"], "", 4),
        }
    )


def generated(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Made tracks of one class beside cells that the generator never saw."""

    def view(table: pd.DataFrame) -> pd.DataFrame:
        some = table[table["cells"] == name].drop(columns="cells")
        ideal = [f"{value:g}" for value in some["ideal"]]
        numbers = {c: _plain(some[c]) for c in some.columns[1:-1]}
        return pd.DataFrame({"measure": list(some["measure"])} | numbers | {"ideal": ideal})

    return view


def _plain(values: pd.Series, nothing: str = "–", digits: int = 3) -> list[str]:
    return [nothing if pd.isna(value) else f"{value:.{digits}f}" for value in values]


def _with_error(values: pd.Series, errors: pd.Series, digits: int = 3) -> list[str]:
    return [
        f"{value:.{digits}f}" + ("" if pd.isna(error) else f" ± {error:.{digits}f}")
        for value, error in zip(values, errors, strict=True)
    ]


LEARN_VIEWS: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "by_steps": ("environments", by_steps),
    "by_class": ("environments", by_class),
    "few_tracks": ("few_tracks", few_tracks),
    "generated_plastic": ("generated", generated("plastic")),
    "generated_collagen": ("generated", generated("collagen")),
    "hidden_mass": ("hidden_mass", hidden_mass),
}
"""Views by the name that marks them: the table shown, and how."""
