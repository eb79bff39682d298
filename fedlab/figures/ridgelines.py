"""How a numeric feature is distributed in each organisation, from the rows of a split or a partition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.figures.drawing import Drawing, panels, wrapped
from fedlab.figures.style import BLACK, GREY, SKY, VERMILLION, styled
from fedlab.figures.tables import MOST_ORGANISATIONS, spread_out

if TYPE_CHECKING:
    from fedlab.partition import Partition, Split

_POINTS = 256  # at which a density is computed
_OVERLAP = 1.3  # how far the highest ridge rises, in distances between ridges


def feature_ridgelines(source: Split | Partition, feature: str) -> Drawing:
    """Draw the distribution of a numeric feature in each organisation, one ridge above another.

    Each ridge is a Gaussian kernel density over the values that the organisation holds; all have the same
    bandwidth (Silverman's rule for the median organisation) and the same height scale, so that shapes compare. The
    dashed outline is the density of all organisations together, the tick an organisation's median.

    Parameters
    ----------
    source : Split or Partition
        Who holds which rows. The holdout plays no part. Of more than 20 organisations 20 are drawn, evenly spaced.
    feature : str
        A numeric feature. Missing and infinite values are left out.

    Returns
    -------
    Drawing
        The figure.

    Raises
    ------
    FedlabError
        If there is no such feature, or it has no numbers that differ.

    Examples
    --------
    >>> from fedlab.partition import split_records
    >>> from fedlab.records import load_records
    >>> split = split_records(load_records("nhefs"), "feature", 3, column="age")
    >>> feature_ridgelines(split, "age").alt
    'Ridgelines of age in 3 organisations, medians from 30 to 56.'
    """
    values, names, n_missing = _values(source, feature)
    pool = np.concatenate(list(values.values()))
    if len(pool) == 0 or pool.min() == pool.max():
        raise FedlabError(f"feature {feature!r} has no two different numbers, so it has no shape to draw")
    grid, bandwidth = _grid(pool, [len(one) for one in values.values() if len(one)])
    drawn = spread_out(list(values), MOST_ORGANISATIONS)
    of_all = density(pool, grid, bandwidth)
    ridges = {number: density(values[number], grid, bandwidth) for number in drawn}
    scale = _OVERLAP / max(of_all.max(), *(ridge.max() for ridge in ridges.values()))
    with styled():
        made, (ax,) = panels(1, 6.4, 1.5 + 0.42 * len(drawn))
        for place, number in enumerate(drawn):
            base, order = -float(place), 3 * place
            ax.fill_between(grid, base, base + scale * ridges[number], color=SKY, alpha=0.75, zorder=order, linewidth=0)
            ax.plot(grid, base + scale * ridges[number], color=BLACK, linewidth=0.9, zorder=order + 1)
            ax.plot(grid, base + scale * of_all, color=GREY, linestyle=(0, (4, 2)), linewidth=0.9, zorder=order + 1)
            if len(values[number]):
                median = float(np.median(values[number]))
                ax.plot([median, median], [base, base + 0.28], color=VERMILLION, linewidth=2.4, zorder=3 * len(drawn))
        labels = [f"{names[number]} ({len(values[number]):,})" for number in drawn]
        ax.set_yticks([-float(place) for place in range(len(drawn))], labels)
        ax.set_ylim(0.15 - len(drawn), _OVERLAP + 0.1)
        ax.set_xlim(grid[0], grid[-1])
        ax.set_xlabel(f"{feature} (in the unit of the column)")
        ax.set_ylabel("organisation (values)")
        ax.spines["left"].set_visible(False)
        ax.grid(axis="y", visible=False)
        ax.set_title(wrapped(f"{feature} in each organisation", 60))
    medians = [float(np.median(values[number])) for number in drawn if len(values[number])]
    left = f" {len(values) - len(drawn)} more organisations are not drawn." if len(values) > len(drawn) else ""
    without = f" {n_missing:,} missing or infinite values are left out." if n_missing else ""
    return Drawing(
        made,
        f"Distribution of {feature} in each organisation (number of values in brackets): kernel densities of one "
        f"bandwidth ({bandwidth:.3g}) and one height scale; ticks are medians, the dashed outline is all organisations "
        f"together. No interval.{without}{left}",
        f"Ridgelines of {feature} in {len(drawn)} organisations, medians from {min(medians):.4g} to "
        f"{max(medians):.4g}.",
    )


def telling_feature(source: Split | Partition) -> str | None:
    """Return the numeric feature in which organisations differ most, the first where none was measured, or None.

    A split is measured here; a partition says what was measured when it was written. A feature that most records of
    some organisation lack tells who wrote it down, not who differs, so it is chosen only where there is no other.
    """
    from fedlab.partition import Split, measure_skew
    from fedlab.partition.columns import is_numeric

    skew = measure_skew(source) if isinstance(source, Split) else source.meta["skew"]
    features = skew.get("features", {})
    measured = {name: of.get("ks") for name, of in features.items() if of.get("ks") is not None}
    if measured:
        frames = [source.shard(number).X[list(measured)] for number in range(source.n_shards)]
        filled = {name: all(frame[name].notna().mean() >= 0.5 for frame in frames) for name in measured}
        return max(measured, key=lambda name: (filled[name], measured[name]))
    shard = source.shard(0)
    return next((name for name in shard.schema.features if is_numeric(shard.frame[name])), None)


def density(values: np.ndarray, grid: np.ndarray, bandwidth: float) -> np.ndarray:
    """Return the Gaussian kernel density of values at the points of an even grid.

    Values are binned to the nearest two points, in parts by their distance (linear binning; Wand and Jones 1995), so
    that a million values take no longer than the binning.

    Parameters
    ----------
    values : float array (n_values,)
        All within the grid.
    grid : float array (n_points,)
        Evenly spaced.
    bandwidth : float
        Standard deviation of the kernel.

    Returns
    -------
    float array (n_points,)
        Integrates to 1 where the grid reaches four bandwidths beyond the values; 0 without values.
    """
    if len(values) == 0:
        return np.zeros(len(grid))
    step = grid[1] - grid[0]
    place = np.clip((values - grid[0]) / step, 0, len(grid) - 1)
    low = np.minimum(place.astype(np.int64), len(grid) - 2)
    part = place - low
    weights = np.bincount(low, 1 - part, len(grid)) + np.bincount(low + 1, part, len(grid))
    offsets = np.arange(-(len(grid) - 1), len(grid)) * step / bandwidth
    kernel = np.exp(-0.5 * offsets**2) / (bandwidth * np.sqrt(2 * np.pi))
    return np.convolve(weights, kernel, mode="valid") / len(values)


def _grid(pool: np.ndarray, sizes: list[int]) -> tuple[np.ndarray, float]:
    """Return the grid and the bandwidth for all organisations (Silverman 1986, eq. 3.31)."""
    quarter, three = np.quantile(pool, [0.25, 0.75])
    spread = min(pool.std(), (three - quarter) / 1.349) if three > quarter else pool.std()
    bandwidth = float(0.9 * spread * np.median(sizes) ** -0.2)
    low, high = pool.min() - 4 * bandwidth, pool.max() + 4 * bandwidth
    # two points for each bandwidth at least, else a kernel falls between points where tails are long
    points = int(np.clip(2 * (high - low) / bandwidth, _POINTS, 16 * _POINTS))
    return np.linspace(low, high, points), max(bandwidth, 2 * float(high - low) / points)


def _values(source: Split | Partition, feature: str) -> tuple[dict[int, np.ndarray], list[str], int]:
    """Return the finite values of each organisation that has the feature, all names, and how many are no numbers."""
    from fedlab.figures.holdings import short
    from fedlab.partition import Split
    from fedlab.partition.columns import is_numeric
    from fedlab.partition.split import organisation_names

    schema = source.records.schema if isinstance(source, Split) else source.schema
    if feature not in schema.features:
        raise unknown_name("feature", feature, map(str, schema.features))
    found, n_missing = {}, 0
    for number in range(source.n_shards):
        frame = source.shard(number).frame
        if feature not in frame.columns:  # a vertical split: others hold it
            continue
        if not is_numeric(frame[feature]):
            raise FedlabError(
                f"feature {feature!r} holds {frame[feature].dtype} values, not numbers; ridgelines need a numeric one"
            )
        values = frame[feature].to_numpy(dtype=float, na_value=np.nan)
        found[number] = values[np.isfinite(values)]
        n_missing += len(values) - len(found[number])
    names = organisation_names(source) if isinstance(source, Split) else source.organisations
    return found, [short(name) for name in names], n_missing
