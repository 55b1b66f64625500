"""The command ``perrin``: movies to tracks, tracks to analyses, and the engine's own chores.

Nothing that computes is imported before it is needed, so that ``perrin --help`` answers at once.
"""

from __future__ import annotations

import signal
import sys

import click

import perrin
from perrin.cli._lazy import LazyGroup
from perrin.cli._shell import exit_code_of

__all__ = ["main", "perrin_command"]

_INTRODUCTION = """\
From a movie to classified tracks: single-particle tracking and analysis.

\b
Examples:
  perrin run movie.tif --out results
      localize, link and analyse; tables and recipe.yaml go to the folder results
  perrin run movie.tif --out results --pixel-size 0.1 --frame-interval 0.03
      the same, for a file that does not say its pixel size (µm) and frame interval (s)
  perrin analyze tracks.csv --out results
      analyse tracks that another program made
  perrin run other.tif --recipe results/recipe.yaml --out other
      do to another movie what was done to the first
  perrin run recordings --recipe results/recipe.yaml --out all
      do it to every movie in a folder, several at a time

\b
Results are tables, one row per track, per localization and per switch. Each
folder of results holds recipe.yaml, every parameter that made them.

\b
Exit codes: 0 success; 1 an error, explained in a sentence, or a movie of several
that failed; 2 a command that was not understood; 130 stopped with Ctrl-C. A folder
of results is written whole or not at all.
"""


# What a command does, in its line of the list, and where it is defined.
_COMMANDS = {
    "suggest": ("_suggest:suggest_command", "Suggest parameters for a movie, and say why."),
    "run": ("_movies:run_command", "Track the particles of a movie and analyse the tracks."),
    "track": ("_movies:track_command", "Find the particles of a movie and link them to tracks."),
    "analyze": ("_movies:analyze_command", "Analyse tracks: model, alpha, diffusivity, switches."),
    "stats": ("_stats:stats_command", "Measure tracks: MSD, ergodicity, states; two conditions."),
    "compare": ("_compare:compare_command", "Compare tracks and their analysis with the truth."),
    "convert": ("_convert:convert_command", "Write tracks in another format."),
    "samples": ("_samples:samples_command", "List the sample movies, or copy one to a file."),
    "simulate": ("_simulate:simulate_command", "Make tracks of a diffusion model, and a movie."),
    "learn": ("_learn:learn_command", "Train networks on your own tracks, and use them."),
    "train": ("_engine:train_command", "Train the engine's network on simulated tracks."),
    "benchmark": ("_engine:benchmark_command", "Measure the engine on a published benchmark."),
}


@click.group(
    cls=LazyGroup,
    places=_COMMANDS,
    help=_INTRODUCTION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(perrin.__version__, "-V", "--version", prog_name="perrin")
def perrin_command() -> None:
    """Group of all commands; its help is above."""


def main() -> None:
    """Run the command line and end the program with its exit code."""
    # A batch system that ends a job says SIGTERM; temporary files are then removed as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(exit_code_of(perrin_command))
