"""Tables of whole numbers with given row and column sums: how many rows of each class each organisation gets."""

from __future__ import annotations

import numpy as np

_MOST_ROUNDS = 500


def fit_table(
    weights: np.ndarray, rows: np.ndarray, columns: np.ndarray, allowed: np.ndarray | None = None
) -> np.ndarray | None:
    """Return a table of whole numbers with exactly these sums, as near as may be to the weights' pattern.

    The weights are scaled by rows and columns in turn (iterative proportional fitting, Deming and Stephan
    1940), which keeps their odds ratios and their zeros; then rounded so that both sums are met exactly, each
    cell to a neighbouring whole number wherever the fitting converged.

    Parameters
    ----------
    weights : float array (n, m)
        Relative sizes of the cells, 0 or greater.
    rows, columns : int array (n,) and (m,)
        The sums wanted; both have the same total.
    allowed : bool array (n, m), optional
        Cells that must hold 1 or more; all others hold 0. By default any cell may hold anything.

    Returns
    -------
    int array (n, m) or None
        None if no such table exists, which can be only with `allowed`.

    Examples
    --------
    >>> fit_table(np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([6, 2]), np.array([4, 4])).tolist()
    [[4, 2], [0, 2]]
    """
    if allowed is None:
        return _rounded(scale_to(weights, rows, columns), rows, columns, np.ones(weights.shape, dtype=bool))
    rows, columns = rows - allowed.sum(axis=1), columns - allowed.sum(axis=0)
    if rows.min() < 0 or columns.min() < 0:
        return None
    rest = _rounded(scale_to(weights * allowed, rows, columns), rows, columns, allowed)
    return None if rest is None else rest + allowed


def scale_to(weights: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Scale tables to these sums by iterative proportional fitting, as far as that converges.

    Parameters
    ----------
    weights : float array (..., n, m)
        Relative sizes of the cells, 0 or greater.
    rows, columns : int array (n,) and (m,)
        The sums wanted.

    Returns
    -------
    float array (..., n, m)
        No sum is exceeded.
    """
    fitted = np.asarray(weights, dtype=float)
    for _ in range(_MOST_ROUNDS):
        fitted = fitted * _ratio(rows, fitted.sum(axis=-1))[..., :, None]
        fitted = fitted * _ratio(columns, fitted.sum(axis=-2))[..., None, :]
        if np.abs(fitted.sum(axis=-1) - rows).max() < 1e-6:
            break
    return fitted * np.minimum(_ratio(rows, fitted.sum(axis=-1)), 1)[..., :, None]


def _ratio(wanted: np.ndarray, got: np.ndarray) -> np.ndarray:
    return np.divide(wanted, got, out=np.zeros(got.shape), where=got > 0)


def _rounded(fitted: np.ndarray, rows: np.ndarray, columns: np.ndarray, allowed: np.ndarray) -> np.ndarray | None:
    """Round down, then fill what the sums lack: single units into the cells cut, else wherever it is allowed."""
    table = np.floor(fitted + 1e-9).astype(np.int64)
    table -= (table.sum(axis=1) > rows)[:, None] & (table > fitted)  # the 1e-9 may not lift a sum over its limit
    table -= (table.sum(axis=0) > columns) & (table > fitted)
    for capacity in ((fitted > table) & allowed, np.where(allowed, rows.sum(), 0)):
        lacks = rows - table.sum(axis=1), columns - table.sum(axis=0)
        if not lacks[0].any():
            return table
        table = table + _flow(*lacks, capacity.astype(np.int32))
    return None if (rows - table.sum(axis=1)).any() else table


def _flow(supply: np.ndarray, demand: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """Return the greatest flow from rows to columns through cells of these capacities."""
    from scipy.sparse import coo_array, csr_array
    from scipy.sparse.csgraph import maximum_flow

    n, m = capacity.shape
    row, column = np.nonzero(capacity)
    tails = np.concatenate([np.zeros(n, dtype=int), 1 + row, 1 + n + np.arange(m)])
    heads = np.concatenate([1 + np.arange(n), 1 + n + column, np.full(m, n + m + 1)])
    capacities = np.concatenate([supply, capacity[row, column], demand]).astype(np.int32)
    graph = csr_array(coo_array((capacities, (tails, heads)), shape=(n + m + 2, n + m + 2)))
    return maximum_flow(graph, 0, n + m + 1).flow.toarray()[1 : n + 1, n + 1 : n + m + 1].astype(np.int64)
