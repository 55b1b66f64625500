"""The benchmark's tables as people read them: figures with their errors, dimensions side by side.

Each view is a table of texts, for the terminal and for the documentation alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from perrin.engine.benchmarks.published import RANDI_BY_LENGTH

__all__ = ["SWITCH_TITLES", "VIEWS", "as_markdown", "as_text", "switch_view"]

_DIMS = (1, 2, 3)
_NONE = "–"
_PROTOCOL = "theory-v1"


def figures(table: pd.DataFrame) -> pd.DataFrame:
    """Show the main figures, one row per protocol and dimension."""
    return pd.DataFrame(
        {
            "protocol": table["protocol"],
            "": _dim(table),
            "tracks": _count(table["n_alpha"]),
            "alpha MAE": _with_error(table, "alpha_mae"),
            "best published": _plain(table["published_alpha_mae"]),
            "in the 90 % interval": _percent(table, "alpha_coverage"),
            "model F1": _with_error(table, "model_f1"),
            "best published ": _plain(table["published_model_f1"]),
            "calibration error": _with_error(table, "ece"),
            "if perfect": _plain(table["ece_floor"]),
        }
    )


def comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Show every method, one row each, dimensions side by side."""
    table = table.assign(alpha=_with_error(table, "alpha_mae"), f1=_with_error(table, "model_f1"))
    columns = {"alpha": "alpha MAE", "f1": "model F1"}
    return _side_by_side(table, ("protocol", "method", "source"), columns)


def breakdown(table: pd.DataFrame) -> pd.DataFrame:
    """Show error, bias and F1 score by noise, model and exponent (theory-v1)."""
    some = table[(table["protocol"] == _PROTOCOL) & (table["by"] != "length")]
    some = some.assign(
        alpha=_with_error(some, "alpha_mae", 3),
        bias=_with_error(some, "alpha_bias", 3),
        f1=_with_error(some, "model_f1", 3),
    )
    columns = {"alpha": "alpha MAE", "bias": "alpha bias", "f1": "model F1"}
    return _side_by_side(some, ("by", "group"), columns)


def lengths(table: pd.DataFrame) -> pd.DataFrame:
    """Show accuracy and coverage by length, beside RANDI's in 2D (theory-v1)."""
    some = table[table["protocol"] == _PROTOCOL]
    some = some.assign(
        points=_range(some),
        alpha=_with_error(some, "alpha_mae", 3),
        f1=_with_error(some, "model_f1", 3),
        coverage=_percent(some, "alpha_coverage"),
    )
    columns = {"alpha": "alpha MAE", "f1": "model F1", "coverage": "in the 90 % interval"}
    shown = _side_by_side(some, ("points",), columns)
    theirs = RANDI_BY_LENGTH.set_index(_range(RANDI_BY_LENGTH))
    for name, label in (("alpha_mae", "alpha MAE"), ("model_f1", "model F1")):
        after = shown.columns.get_loc(f"{label} 2D")
        assert isinstance(after, int)
        values = _plain(shown["points"].map(theirs[name]), 2)
        shown.insert(after + 1, f"RANDI, {label} 2D", values)
    return shown


def false_alarms(table: pd.DataFrame) -> pd.DataFrame:
    """Show how many ordinary tracks are called unlike the training, by length."""
    some = table.assign(points=_range(table), flagged=_percent(table, "flagged"))
    return _side_by_side(some, ("protocol", "points"), {"flagged": "flagged"})


def attm(table: pd.DataFrame) -> pd.DataFrame:
    """Show accuracy in 3D with ATTM that diffuses and, as in ``andi-datasets``, jitters."""
    some = table.assign(
        alpha=_with_error(table, "alpha_mae"),
        f1=_with_error(table, "model_f1"),
        kind=table["attm"] + " ATTM",
    )
    columns = {"alpha": "alpha MAE,", "f1": "model F1,"}
    shown = _unfold(some, ("protocol", "group"), "kind", columns)
    return shown.rename(columns={"group": "tracks"})


def gaps(table: pd.DataFrame) -> pd.DataFrame:
    """Show the error of alpha with and without missing frames."""
    return pd.DataFrame(
        {
            "": _dim(table),
            "points": _range(table),
            "tracks": _count(table["n_tracks"]),
            "alpha MAE, no frame missing": _with_error(table, "alpha_mae"),
            "10 % missing": _with_error(table, "alpha_mae_gaps"),
            "rise": _percent(table, "rise"),
        }
    )


def blur(table: pd.DataFrame) -> pd.DataFrame:
    """Show the bias of alpha on Brownian tracks with and without motion blur."""
    return pd.DataFrame(
        {
            "": _dim(table),
            "points": _range(table),
            "tracks": _count(table["n_tracks"]),
            "alpha bias, sharp": _with_error(table, "bias_sharp"),
            "blurred": _with_error(table, "bias_blurred"),
            "change": _with_error(table, "change"),
            "blurred, exposure not told": _with_error(table, "bias_untold"),
        }
    )


def limits(table: pd.DataFrame) -> pd.DataFrame:
    """Show the network's errors on FBM beside those of exact maximum likelihood."""
    names = {
        "alpha": "alpha",
        "alpha_of_fbm": "alpha, told that it is FBM",
        "log_diffusivity": "ln D",
        "noise": "noise",
    }
    return pd.DataFrame(
        {
            "": _dim(table),
            "points": _range(table),
            "tracks": _count(table["n_tracks"]),
            "mean absolute error of": table["quantity"].map(names),
            "network": _with_error(table, "network", 3),
            "maximum likelihood": _with_error(table, "likelihood", 3),
            "ratio": _with_error(table, "ratio", 2),
        }
    )


def detection(table: pd.DataFrame) -> pd.DataFrame:
    """Show which odd tracks are flagged, lengths side by side."""
    some = table.assign(
        tracks=(table["kind"] + ": " + table["detail"].fillna("")).str.removesuffix(": "),
        where=_dim(table) + ", " + table["n_points"].astype(str) + " points",
        number=_count(table["n_tracks"]),
        flagged=[f"{100 * share:.0f} %" for share in table["flagged"]],
    )
    shown = _unfold(some, ("tracks", "number"), "where", {"flagged": ""})
    return shown.rename(columns={"number": ""})


def engines(table: pd.DataFrame) -> pd.DataFrame:
    """Show every engine on the same tracks."""
    some = table.assign(
        points=_range(table),
        alpha=_with_error(table, "alpha_mae", 3),
        f1=_with_error(table, "model_f1", 3),
        tracks=_count((table["n_tracks"] * table["answered"]).round().astype(int)),
    )
    columns = {"alpha": "alpha MAE", "f1": "model F1", "tracks": "tracks answered"}
    return _side_by_side(some, ("protocol", "points", "engine"), columns)


def training(table: pd.DataFrame) -> pd.DataFrame:
    """Show a training's learning curve."""
    shown = pd.DataFrame(
        {
            "minutes": [f"{minutes:.0f}" for minutes in table["minutes"]],
            "tracks seen": [f"{views / 1e6:.2f} M" for views in table["views"]],
        }
    )
    for name, label in (("alpha_mae", "alpha MAE"), ("model_f1", "model F1")):
        for dim in _DIMS:
            shown[f"{label} {dim}D"] = _plain(table[f"{name}_{dim}d"], 3)
    return shown


VIEWS: dict[str, tuple[str, str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
    "figures": ("figures", "Accuracy", figures),
    "comparison": ("comparison", "Beside what is published", comparison),
    "breakdown": ("breakdown", "By noise, model and exponent (theory-v1)", breakdown),
    "lengths": ("lengths", "By length (theory-v1)", lengths),
    "attm": ("attm", "In 3D, with ATTM that diffuses and, as in andi-datasets, jitters", attm),
    "gaps": ("gaps", "With 10 % of the frames missing (theory-v1)", gaps),
    "blur": ("blur", "Brownian tracks, sharp and blurred by a full exposure", blur),
    "limits": ("limits", "Fractional Brownian motion, beside maximum likelihood", limits),
    "detection": ("detection", "Odd tracks that are flagged", detection),
    "false_alarms": ("lengths", "Ordinary tracks that are flagged", false_alarms),
    "engines": ("engines", "Every engine on the same tracks", engines),
    "training": ("training", "Learning curve", training),
}
"""By name: which table it shows, its title, and the view."""


def with_errors(table: pd.DataFrame) -> pd.DataFrame:
    """Show numbers with their standard errors, which the columns ``..._se`` hold."""
    names = [str(name) for name in table if not str(name).endswith("_se")]
    return pd.DataFrame(
        {name: _with_error(table, name) if f"{name}_se" in table else table[name] for name in names}
    )


def false_switches(table: pd.DataFrame) -> pd.DataFrame:
    """Show how many tracks without a switch are given one, noises side by side.

    A share of more tracks than most is followed by their number.
    """
    n_tracks = table["n_tracks"]
    more = np.where(n_tracks > n_tracks.min(), n_tracks.map(" ({:,})".format), "")
    noise = "noise " + table["noise"].astype(str)
    some = table.assign(
        share=_percent(table, "flagged") + more, noise=noise, n_tracks=n_tracks.min()
    )
    shown = _unfold(some, ("n_points", "alpha", "n_tracks"), "noise", {"share": ""})
    return shown.rename(columns={"n_points": "points", "n_tracks": "tracks"})


SWITCH_TITLES: Mapping[str, str] = {
    "andi2": "Second AnDi challenge, single tracks (experiment 0: all tracks together)",
    "states": "Second AnDi challenge, states that all particles share (experiment 0: the mean)",
    "anchors": "What others reached",
    "andi2_official": "Scores of andi-datasets on its own tracks",
    "andi2_official_states": "Scores of andi-datasets for states of populations",
    "sigma": "How large is sigma: mean absolute percentage error, 100 steps",
    "presence": "Is there a switch in the middle of 1,000 steps, by the ratio of the two sigmas",
    "time": "When is the only switch of 1,000 steps: mean absolute error in frames",
    "count": "How many switches are there in 1,000 steps: mean absolute error of the count",
    "one_switch": "First AnDi challenge, task 3: one switch of model or exponent in 200 points",
    "one_switch_official": "The same on tracks of andi-datasets: root mean square error in frames",
    "one_switch_limit": "The same beside the exact likelihood: root mean square error in frames",
    "false_switches": "Tracks of fractional Brownian motion in 2D that are given a switch",
    "gradual": "Tracks of scaled Brownian motion in 2D, 200 points, that are cut",
    "trade_off": "False alarms and switches found against the threshold",
}
"""What the tables of the benchmarks of switches are called."""


def switch_view(name: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return how a table named in :data:`SWITCH_TITLES` is shown."""
    return false_switches if name == "false_switches" else with_errors


def as_text(tables: Mapping[str, pd.DataFrame], titles: Mapping[str, str] = SWITCH_TITLES) -> str:
    """Write every view of the tables for a terminal.

    Parameters
    ----------
    tables
        What a benchmark returned.
    titles
        What the tables are called that no view of their own shows.
    """
    views = [(source, title, view) for source, title, view in VIEWS.values() if source in tables]
    views += [(name, title, switch_view(name)) for name, title in titles.items() if name in tables]
    return "\n\n".join(
        f"{title}\n{view(tables[source]).to_string(index=False, na_rep=_NONE)}"
        for source, title, view in views
    )


def as_markdown(view: pd.DataFrame) -> str:
    """Write one view as a Markdown table."""
    lines = [list(view.columns), ["---"] * len(view.columns), *view.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _side_by_side(
    table: pd.DataFrame, keys: Sequence[str], columns: Mapping[str, str]
) -> pd.DataFrame:
    """One row per value of the keys; each column, under a label, once per dimension."""
    return _unfold(table.assign(where=_dim(table)), keys, "where", columns)


def _unfold(
    table: pd.DataFrame, keys: Sequence[str], by: str, columns: Mapping[str, str]
) -> pd.DataFrame:
    """One row per value of the keys, a column per value of another, in the order they come."""
    shown = table[list(keys)].drop_duplicates().set_index(list(keys))
    for name, label in columns.items():
        for value in table[by].unique():
            values = table[table[by] == value].set_index(list(keys))[name]
            shown[f"{label} {value}".strip()] = values.reindex(shown.index).fillna(_NONE)
    return shown.reset_index()


def _dim(table: pd.DataFrame) -> pd.Series[str]:
    return table["dim"].astype(str) + "D"


def _range(table: pd.DataFrame) -> pd.Series[str]:
    return table["shortest"].astype(str) + " to " + table["longest"].astype(str)


def _count(values: pd.Series[int]) -> list[str]:
    return [f"{value:,}" for value in values]


def _with_error(table: pd.DataFrame, name: str, digits: int = 4) -> list[str]:
    """``value ± standard error``; the value alone where the error is unknown."""
    return [
        _NONE if pd.isna(value) else f"{value:.{digits}f}"
        + ("" if pd.isna(error) else f" ± {error:.{digits}f}")
        for value, error in zip(table[name], table[f"{name}_se"], strict=True)
    ]  # fmt: skip


def _percent(table: pd.DataFrame, name: str) -> list[str]:
    return [
        _NONE if pd.isna(value) else f"{100 * value:.1f} ± {100 * error:.1f} %"
        for value, error in zip(table[name], table[f"{name}_se"], strict=True)
    ]


def _plain(values: pd.Series[float], digits: int = 4) -> list[str]:
    return [_NONE if pd.isna(value) else f"{value:.{digits}f}" for value in values]
