"""Dealing rows that go by: who gets which, from counts known beforehand and the place of a row in its class."""

from __future__ import annotations

from typing import Any

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.permutation import Permutations
from fedlab.partition.quotas import QUOTAS, check_pool, holdout_quotas, repaired
from fedlab.partition.registry import SCHEMES, traits_of
from fedlab.records.scan import Scan
from fedlab.seeds import rng

_MOST_SHARDS = 10_000


class Dealer:
    """Who gets which row: quotas from the counts of a scan, and a permutation for each class.

    Parameters
    ----------
    scan : Scan
        The first pass.
    column : str or None
        For the scheme `site`, the column that names the sites.
    scheme, options, n_shards, holdout, min_rows, seed
        What was asked for.
    """

    def __init__(
        self,
        scan: Scan,
        column: str | None,
        scheme: str,
        options: dict[str, Any],
        n_shards: int | None,
        holdout: float,
        min_rows: int,
        seed: int,
    ) -> None:
        self.scheme, self.options, self.min_rows, self.seed = scheme, options, min_rows, seed
        self.holdout_share = float(holdout)
        cells, rows = scan.cells()
        self._scan, self._dims, self._rows = scan, scan.dims, rows
        self._cell_of = np.full(int(np.prod(self._dims)), -1, dtype=np.int64)
        self._cell_of[np.ravel_multi_index(tuple(cells), self._dims)] = np.arange(len(rows))
        self._held = holdout_quotas(cells[0], rows, holdout, rng(seed, "holdout"))
        self._hold = Permutations(rows, rng(seed, "stream", "holdout"))
        self._seen = np.zeros(len(rows), dtype=np.int64)
        self.n_held = int(self._held.sum())
        self.moved = 0
        pool = rows - self._held
        self._site = None if column is None else list(scan.coders).index(column)
        if self._site is not None:
            of_site = np.bincount(cells[self._site], pool, self._dims[self._site]).astype(np.int64)
            self.n_shards = self._count_sites(of_site, n_shards)
        else:
            self.n_shards = self._shard_count(n_shards)
            check_pool(int(pool.sum()), self.n_shards, min_rows)
            self._plan(np.bincount(cells[0], pool, self._dims[0]).astype(np.int64))
        # rows of each class in each shard, then in the holdout; known when all rows are dealt
        self.counts = np.zeros((self.n_shards + 1, self._dims[0]), dtype=np.int64)

    def _plan(self, classes: np.ndarray) -> None:
        quotas = QUOTAS[self.scheme](classes, self.n_shards, rng(self.seed, "partition"), **self.options)
        if traits_of(SCHEMES.get(self.scheme)).repaired:
            quotas, self.moved = repaired(quotas, self.min_rows, rng(self.seed, "partition", "repair"))
        elif quotas.sum(axis=0).min() < self.min_rows:
            number = int(np.argmin(quotas.sum(axis=0)))
            raise FedlabError(
                f"scheme {self.scheme!r} leaves organisation {number + 1} of {self.n_shards} with "
                f"{quotas[:, number].sum()} rows, fewer than min_rows={self.min_rows}, and rows are not moved between "
                "its organisations; give a smaller min_rows"
            )
        totals = quotas.sum(axis=1)
        self._by_class = len(quotas) > 1
        self._starts = np.concatenate([[0], np.cumsum(totals)])
        self._cuts = np.cumsum(quotas.ravel())
        self._order = Permutations(totals, rng(self.seed, "stream", "partition"))
        self._pool_seen = np.zeros(len(quotas), dtype=np.int64)

    def _count_sites(self, of_site: np.ndarray, n_shards: int | None) -> int:
        sites = self._scan.coders[list(self._scan.coders)[self._site or 0]].values
        if n_shards not in (None, len(sites)):
            raise FedlabError(
                f"scheme 'site' makes {len(sites)} organisations of {self._scan.path.name!r}, got n_shards={n_shards}; "
                f"leave n_shards out, or give {len(sites)}"
            )
        if of_site.min() < self.min_rows:
            number = int(np.argmin(of_site))
            raise FedlabError(
                f"scheme 'site' leaves organisation {str(sites[number])!r} with {of_site[number]} rows outside the "
                f"holdout, fewer than min_rows={self.min_rows}, and rows are not moved between its organisations; give "
                "a smaller min_rows or holdout, or records without that one"
            )
        return len(sites)

    def _shard_count(self, n_shards: int | None) -> int:
        listed = self.options.get("fractions", self.options.get("sizes"))  # one for each organisation
        if n_shards is None and listed is None:
            raise FedlabError(f"scheme {self.scheme!r} needs n_shards, the number of organisations; got none")
        wanted = len(() if listed is None else listed) if n_shards is None else n_shards
        if wanted > _MOST_SHARDS:
            raise FedlabError(f"n_shards is {wanted}; give at most {_MOST_SHARDS}")
        return wanted

    def deal(self, codes: np.ndarray) -> np.ndarray:
        """Return who gets each row of the next block; the holdout is `n_shards`.

        Parameters
        ----------
        codes : int array (n_coded, n_rows)
            As `Scan.codes` returned them; the class first.

        Returns
        -------
        int array (n_rows,)

        Raises
        ------
        FedlabError
            If the rows are not those that the scan saw.
        """
        cell = self._cell_of[np.ravel_multi_index(tuple(codes), self._dims)]
        if cell.min(initial=0) < 0:
            raise self._scan.changed()
        place = _places(cell, self._seen)
        if (self._seen > self._rows).any():
            raise self._scan.changed()
        kept = np.flatnonzero(self._hold(cell, place) >= self._held[cell])
        shards = np.full(len(cell), self.n_shards, dtype=np.int64)
        if self._site is not None:
            shards[kept] = codes[self._site][kept]
        else:
            stratum = codes[0][kept] if self._by_class else np.zeros(len(kept), dtype=np.int64)
            dealt = self._order(stratum, _places(stratum, self._pool_seen)) + self._starts[stratum]
            shards[kept] = np.searchsorted(self._cuts, dealt, side="right") % self.n_shards
        n_classes = self._dims[0]
        self.counts += np.bincount(shards * n_classes + codes[0], minlength=self.counts.size).reshape(self.counts.shape)
        return shards


def _places(strata: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return each row's place among the rows of its stratum so far, and count it in `seen`."""
    small = strata.astype(np.int16) if len(seen) < 2**15 else strata
    order = np.argsort(small, kind="stable")
    counts = np.bincount(strata, minlength=len(seen))
    places = np.empty(len(strata), dtype=np.int64)
    places[order] = np.arange(len(strata)) - np.repeat(np.cumsum(counts) - counts - seen, counts)
    seen += counts
    return places
