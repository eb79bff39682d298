"""Figures of who holds what: rows and classes of each organisation, from a results table or a partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from fedlab.errors import FedlabError
from fedlab.evidence.results import in_order
from fedlab.figures.drawing import Drawing, figure, panels, wrapped
from fedlab.figures.style import BLACK, CLASS_COLOURS, HATCHES, SKY, VERMILLION, styled, text_on
from fedlab.figures.tables import (
    MOST_ORGANISATIONS,
    NOT_OF_PARTITION,
    cell_title,
    one_seed,
    organisation_names,
    prepared,
    read_list,
    representative,
)

if TYPE_CHECKING:
    from fedlab.partition import Partition, Split

_MOST_NAMES = 2 * MOST_ORGANISATIONS
_WRITTEN_CLASSES = 10
_CHANCE = 0.001


@dataclass(frozen=True)
class Holding:
    """Who holds how many rows of each class.

    Parameters
    ----------
    title : str
        Of the panel.
    organisations : sequence of str
        Their names.
    classes : sequence of str
        The classes.
    counts : float array (n_organisations, n_classes)
        Rows.
    """

    title: str
    organisations: Sequence[str]
    classes: Sequence[str]
    counts: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each organisation."""
        return self.counts.sum(axis=1)

    @property
    def shares(self) -> np.ndarray:
        """Class shares of each organisation, and in the last row of all together; NaN for one without rows."""
        counts = np.vstack([self.counts, self.counts.sum(axis=0)])
        sizes = counts.sum(axis=1, keepdims=True)
        return np.divide(counts, sizes, out=np.full(counts.shape, np.nan), where=sizes > 0)

    @property
    def same_mix(self) -> bool:
        """Whether chance alone explains that class shares differ (chi-squared test of homogeneity, level 0.001)."""
        from scipy.stats import chi2_contingency

        held = self.counts[self.sizes > 0][:, self.counts.sum(axis=0) > 0]
        return min(held.shape) < 2 or bool(chi2_contingency(held, correction=False).pvalue > _CHANCE)

    @property
    def same_size(self) -> bool:
        """Whether chance alone explains that sizes differ, as if each row went anywhere (chi-squared, level 0.001)."""
        from scipy.stats import chisquare

        return len(self.counts) < 2 or bool(chisquare(self.sizes).pvalue > _CHANCE)


@figure("who_holds_what")
def who_holds_what(results: pd.DataFrame) -> Drawing:
    """Draw rows and classes of every organisation as stacked bars, for one cell of each setting.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        The figure.

    Raises
    ------
    FedlabError
        If ``organisation_class_counts`` or ``classes`` is missing or empty.
    """
    return _stacked(*_of_results(results))


@figure("class_heatmap")
def class_heatmap(results: pd.DataFrame) -> Drawing:
    """Draw the share of each class among each organisation's rows as a heat map, for one cell of each setting.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        The figure; its last row is the mix of all organisations together.

    Raises
    ------
    FedlabError
        If a needed column is missing or empty, or the picture would say nothing that `who_holds_what` does not:
        mixes differ by no more than chance, or sizes are equal and there are two classes.
    """
    holdings, about = _of_results(results)
    if all(held.same_mix for held in holdings):
        raise FedlabError("all organisations hold the same mix of classes, up to chance")
    if all(held.same_mix or (len(held.classes) <= 2 and held.same_size) for held in holdings):
        raise FedlabError("two classes in organisations of equal size: who_holds_what shows their mix already")
    return _heatmap(holdings, about)


@figure("size_bars")
def size_bars(results: pd.DataFrame) -> Drawing:
    """Draw the rows of each organisation as bars, with a line at equal sizes, for one cell of each setting.

    Parameters
    ----------
    results : DataFrame
        The results table.

    Returns
    -------
    Drawing
        The figure.

    Raises
    ------
    FedlabError
        If a needed column is missing or empty, or sizes differ by no more than chance.
    """
    holdings, about = _of_results(results)
    if all(held.same_size for held in holdings):
        raise FedlabError("all organisations hold equally many rows, up to chance")
    return _sizes(holdings, about)


def draw_partition(source: Split | Partition, feature: str | None = None) -> dict[str, Drawing]:
    """Draw who holds what of a split or a written partition, before any model is trained.

    Parameters
    ----------
    source : Split or Partition
        What to draw.
    feature : str, optional
        The numeric feature of the ridgelines; by default the one in which organisations differ most
        (Kolmogorov-Smirnov distance), as far as that was measured, else the first.

    Returns
    -------
    dict of str to Drawing
        ``who_holds_what``, ``class_heatmap``, ``size_bars``, and ``feature_ridgelines`` where there is a numeric
        feature.

    Raises
    ------
    FedlabError
        As `feature_ridgelines`, where a feature is named.

    Examples
    --------
    >>> from fedlab.partition import split_records
    >>> from fedlab.records import load_records
    >>> list(draw_partition(split_records(load_records("nhefs"), "dirichlet", 3, alpha=0.5), "age"))
    ['who_holds_what', 'class_heatmap', 'size_bars', 'feature_ridgelines']
    """
    from fedlab.figures.ridgelines import feature_ridgelines, telling_feature

    held = [_of_partition(source)]
    about = f"Scheme {held[0].title}."
    with styled():
        drawings = {
            "who_holds_what": _stacked(held, about),
            "class_heatmap": _heatmap(held, about),
            "size_bars": _sizes(held, about),
        }
    chosen = feature if feature is not None else telling_feature(source)
    if chosen is not None:
        drawings["feature_ridgelines"] = feature_ridgelines(source, chosen)
    return drawings


def _of_results(results: pd.DataFrame) -> tuple[list[Holding], str]:
    """Return one cell of each setting of a results table, and what captions say of that."""
    table = prepared(results, "organisation_class_counts", "classes", ignore=NOT_OF_PARTITION)
    chosen = representative(table, "organisation_class_counts")
    holdings = []
    for setting, row in chosen:
        counts = np.array(read_list(row, "organisation_class_counts"), dtype=float)
        classes = [str(name) for name in read_list(row, "classes")]
        holdings.append(Holding(cell_title(setting, row), organisation_names(row, len(counts)), classes, counts))
    return holdings, (
        "One cell is drawn for each setting: the greatest number of organisations up to "
        f"{MOST_ORGANISATIONS}, {one_seed(chosen)}, no interval."
    )


def _of_partition(source: Split | Partition) -> Holding:
    from fedlab.files import plain
    from fedlab.partition import Split
    from fedlab.partition.skew import class_counts
    from fedlab.partition.split import organisation_names as names_of

    if isinstance(source, Split):
        classes = [str(value) for value in plain(source.records.classes)]
        counts, names = class_counts(source)[1:].astype(float), names_of(source)
        scheme, options, seed = source.scheme, source.options, source.seed
    else:
        classes = [str(value) for value in source.meta["classes"]]
        counts = np.array([[one["class_counts"][name] for name in classes] for one in source.meta["shards"]], float)
        names, scheme, options, seed = source.organisations, *(source.meta[x] for x in ("scheme", "options", "seed"))
    said = [f"{name} {value}" for name, value in options.items() if value is not None]
    title = f"{', '.join([scheme, *said])}, {len(counts)} organisations, seed {seed}"
    return Holding(title, [short(name) for name in names], classes, counts)


def short(name: str) -> str:
    """Cut a name to what fits beside an axis."""
    return name if len(name) <= 22 else name[:21] + "…"


def _stacked(holdings: list[Holding], about: str) -> Drawing:
    classes = in_order(name for held in holdings for name in held.classes)
    most = max(len(held.counts) for held in holdings)
    made, axes = panels(len(holdings), 4.3, 1.3 + 0.2 * min(most, 40), sharey=False)
    for ax, held in zip(axes, holdings, strict=True):
        left = np.zeros(len(held.counts))
        for name, rows in zip(held.classes, held.counts.T, strict=True):
            place = classes.index(name)
            ax.barh(
                np.arange(len(left)), rows, left=left, color=CLASS_COLOURS[place % 7], hatch=HATCHES[place % 7],
                edgecolor=BLACK, linewidth=0.4, height=0.8,
            )  # fmt: skip
            left += rows
        ax.set_ylim(len(left) - 0.4, -0.6)
        if len(left) <= _MOST_NAMES:
            ax.set_yticks(range(len(left)), held.organisations)
        else:
            ax.yaxis.set_major_formatter(_number)
        ax.set_ylabel("organisation")
        ax.set_xlabel("rows (patient records)")
        ax.set_title(wrapped(held.title, 40))
        ax.grid(axis="y", visible=False)
    made.legend(handles=_class_handles(classes), title="class", loc="outside right upper")
    least, greatest = _range(holdings)
    return Drawing(
        made,
        f"Who holds what: rows of each organisation by class. {about}",
        f"Stacked bars of the rows of {most} organisations in {len(classes)} classes; an organisation holds "
        f"{least:.0f} to {greatest:.0f} rows.",
    )


def _heatmap(holdings: list[Holding], about: str) -> Drawing:
    most, widest = max(len(held.counts) for held in holdings), max(len(held.classes) for held in holdings)
    width = max(3.4, 1.8 + 0.5 * min(widest, 12))
    made, axes = panels(len(holdings), width, 1.6 + 0.24 * min(most + 1, 41), sharey=False)
    image: Any = None
    for ax, held in zip(axes, holdings, strict=True):
        shares, n = held.shares, len(held.counts)
        # no row of the pool's own where a thousand rows make it a hair
        shown = shares if n <= _MOST_NAMES else shares[:-1]
        image = ax.imshow(shown, cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
        if n <= _MOST_NAMES:
            ax.axhline(n - 0.5, color="white", linewidth=3)
            ax.set_yticks(range(n + 1), [*held.organisations, "all together"])
            if len(held.classes) <= _WRITTEN_CLASSES:
                _write_shares(ax, image, shares)
        else:
            ax.yaxis.set_major_formatter(_number)
        long = max(map(len, held.classes)) > 4
        ax.set_xticks(range(len(held.classes)), [short(name) for name in held.classes], rotation=90 if long else 0)
        ax.set_xlabel("class")
        ax.set_ylabel("organisation")
        ax.set_title(wrapped(held.title, int(11 * width)))
        ax.grid(visible=False)
    made.colorbar(image, ax=axes, label="share of the organisation's rows (0 to 1)")
    spread = [np.nanmax(held.shares[:-1], axis=0) - np.nanmin(held.shares[:-1], axis=0) for held in holdings]
    panel, place = max(((p, int(np.argmax(one))) for p, one in enumerate(spread)), key=lambda at: spread[at[0]][at[1]])
    column = holdings[panel].shares[:-1, place]
    return Drawing(
        made,
        f"Mix of classes: the share of each class among the rows of each organisation (a row sums to 1). {about}",
        f"Heat map of class shares of {most} organisations; class {holdings[panel].classes[place]} differs most, "
        f"from {np.nanmin(column):.2f} to {np.nanmax(column):.2f} of an organisation's rows.",
    )


def _number(place: float, _: Any) -> str:
    """Number organisations from 1 where there is no room for their names."""
    return f"{place + 1:g}"


def _write_shares(ax: Any, image: Any, shares: np.ndarray) -> None:
    for (down, across), value in np.ndenumerate(shares):
        if not np.isnan(value):
            colour = text_on(image.cmap(image.norm(value)))
            ax.text(across, down, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=7)


def _sizes(holdings: list[Holding], about: str) -> Drawing:
    from fedlab.partition.distances import effective_number, gini

    most = max(len(held.counts) for held in holdings)
    width = min(8.0, max(3.4, 1.4 + 0.28 * min(most, 40)))
    made, axes = panels(len(holdings), width, 3.2, sharey=False)
    told = []
    for ax, held in zip(axes, holdings, strict=True):
        n, equal = len(held.sizes), held.sizes.mean()
        dense = n > _MOST_NAMES
        ax.bar(
            np.arange(n), held.sizes, 1.0 if dense else 0.8, color=SKY, edgecolor=BLACK, linewidth=0 if dense else 0.4
        )
        ax.axhline(equal, color=VERMILLION, linestyle="--", linewidth=1.4, label=f"equal sizes: {equal:,.0f} rows")
        if not dense:
            turned = max(map(len, held.organisations)) > 3
            ax.set_xticks(range(n), held.organisations, rotation=90 if turned else 0)
        else:
            ax.xaxis.set_major_formatter(_number)
        ax.set_xlim(-0.6, n - 0.4)
        ax.set_ylim(0, max(held.sizes.max(), equal) * 1.2)
        ax.set_xlabel("organisation")
        ax.set_ylabel("rows (patient records)")
        ax.set_title(wrapped(held.title, int(11 * width)))
        ax.legend(loc="upper right")
        ax.grid(axis="x", visible=False)
        told.append(f"Gini {gini(held.sizes):.2f}, worth {effective_number(held.sizes):.1f} equal organisations")
    least, greatest = _range(holdings)
    return Drawing(
        made,
        f"Sizes: rows of each organisation, in its order; the dashed line is where all were equal. "
        f"{'; '.join(in_order(told))}. {about}",
        f"Bars of the rows of {most} organisations, from {least:.0f} to {greatest:.0f}, about a line at equal sizes.",
    )


def _range(holdings: list[Holding]) -> tuple[float, float]:
    sizes = [held.sizes for held in holdings]
    return min(rows.min() for rows in sizes), max(rows.max() for rows in sizes)


def _class_handles(classes: list[str]) -> list[Patch]:
    return [
        Patch(facecolor=CLASS_COLOURS[i % 7], hatch=HATCHES[i % 7], edgecolor=BLACK, linewidth=0.4, label=name)
        for i, name in enumerate(classes)
    ]
