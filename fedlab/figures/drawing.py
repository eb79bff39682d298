"""A drawing (figure, caption, description), the registry of figures, and saving with the same bytes."""

import base64
import functools
import html
import io
import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedlab.figures.style import styled
from fedlab.files import atomic_path
from fedlab.registry import Registry


@dataclass(frozen=True)
class Drawing:
    """A figure and what must stand beside it.

    Attributes
    ----------
    figure : matplotlib Figure
        Free of pyplot; notebooks show the drawing itself.
    caption : str
        What it shows, over how many seeds, with which interval.
    alt : str
        The same for those who cannot see it, in a sentence or two.
    """

    figure: Figure
    caption: str
    alt: str

    def _repr_html_(self) -> str:
        image = io.BytesIO()
        _write(self, image, "png")
        data = base64.b64encode(image.getvalue()).decode()
        return (
            f'<figure><img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}" '
            f'style="max-width:100%"><figcaption>{html.escape(self.caption)}</figcaption></figure>'
        )


COLUMNS = 3
"""Panels in a row, unless a figure says otherwise."""

DrawFunction = Callable[[pd.DataFrame], Drawing]

FIGURES: Registry[DrawFunction] = Registry("figure")
"""Every figure by name: a function of the results table."""


def figure(name: str) -> Callable[[DrawFunction], DrawFunction]:
    """Return a decorator that registers a figure and draws it in the common style."""

    def decorate(draw: DrawFunction) -> DrawFunction:
        @functools.wraps(draw)
        def drawn(results: pd.DataFrame) -> Drawing:
            with styled():
                return draw(results)

        return FIGURES.register(name)(drawn)

    return decorate


def panels(
    count: int, width: float, height: float, columns: int = COLUMNS, sharey: bool = True, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure of equal panels, each ``width`` x ``height`` inches, in rows of at most ``columns``."""
    columns = min(count, columns)
    rows = math.ceil(count / columns)
    made = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(made)
    axes = list(made.subplots(rows, columns, sharey=sharey, sharex=sharex, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    for lowest in axes[max(0, count - columns) : count]:
        lowest.tick_params(labelbottom=True)
    return made, axes[:count]


def wrapped(text: str, width: int = 34) -> str:
    """Break a title over lines."""
    return "\n".join(textwrap.wrap(text, width))


def save(drawing: Drawing, folder: Path | str, name: str) -> tuple[Path, Path]:
    """Write a drawing as SVG and PNG, with the same bytes from the same drawing in any process.

    Parameters
    ----------
    drawing : Drawing
        What to write.
    folder : Path or str
        Where to; created if needed.
    name : str
        File name without suffix.

    Returns
    -------
    svg, png : Path
        The two files.
    """
    paths = Path(folder) / f"{name}.svg", Path(folder) / f"{name}.png"
    for path in paths:
        with atomic_path(path) as temporary:
            _write(drawing, temporary, path.suffix[1:])
    return paths


def _write(drawing: Drawing, target: Path | io.BytesIO, kind: str) -> None:
    # Neither a date nor the version of matplotlib: they would change the bytes and not the figure.
    svg: dict[str, Any] = {"Date": None, "Creator": None, "Description": drawing.alt}
    png: dict[str, Any] = {"Software": None, "Description": drawing.alt}
    with styled():
        drawing.figure.savefig(target, format=kind, metadata=svg if kind == "svg" else png)
