"""Shuffles that need no memory: keyed permutations of 0 … n - 1, computed place by place."""

from __future__ import annotations

import numpy as np

_ROUNDS = 8
_SMALL = 1024  # below it a permutation is a table
_CHUNK = 2**14  # what fits into the processor's cache
_MIX_1, _MIX_2, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93), np.uint64(32)


class Permutations:
    """For each of several totals n, one permutation of the numbers below n.

    A generalised Feistel network (Black and Rogaway 2002, Ciphers with arbitrary finite domains): a number below
    a * b, with a and b near the square root of n, is cut into a digit below a and one below b; in each of eight
    rounds a keyed hash of one digit is added to the other. What lands at n or above goes through again. So no
    table of n numbers is needed, and any part of the permutation can be computed alone. Totals up to 1024 are
    shuffled in a table.

    Parameters
    ----------
    totals : int array (n_totals,)
        What each permutation is of; less than 2 ** 62.
    rng : numpy.random.Generator
        Draws the keys.

    Examples
    --------
    >>> permutations = Permutations(np.array([5, 3]), np.random.default_rng(0))
    >>> sorted(permutations(np.zeros(5, dtype=np.int64), np.arange(5)).tolist())
    [0, 1, 2, 3, 4]
    """

    def __init__(self, totals: np.ndarray, rng: np.random.Generator) -> None:
        n = np.maximum(np.asarray(totals, dtype=np.int64), 1)
        a = np.ceil(np.sqrt(n)).astype(np.int64)
        b = -(-n // a)
        self._n, self._a, self._b = n.astype(np.uint64), a.astype(np.uint64), b.astype(np.uint64)
        self._keys = rng.integers(0, 2**64, size=(_ROUNDS, len(n)), dtype=np.uint64)
        # a cipher on a handful of numbers does not reach all orders equally often
        tables = [rng.permutation(total if total <= _SMALL else 0).astype(np.int16) for total in n]
        self._starts = np.cumsum([0, *map(len, tables)])
        self._table = np.concatenate(tables)

    def __call__(self, which: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return where each number goes in the permutation of the total that `which` points to.

        Parameters
        ----------
        which : int array (n_numbers,)
            Index of a total.
        numbers : int array (n_numbers,)
            Each from 0 to that total - 1.

        Returns
        -------
        int array (n_numbers,)
        """
        out = np.empty(len(numbers), dtype=np.int64)
        for start in range(0, len(numbers), _CHUNK):
            part = slice(start, start + _CHUNK)
            out[part] = self._permuted(which[part], numbers[part])
        return out

    def _permuted(self, which: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        small = self._n[which] <= _SMALL
        if small.all():
            return self._table[self._starts[which] + numbers].astype(np.int64)
        if small.any():
            out = np.empty(len(numbers), dtype=np.int64)
            for part in (small, ~small):
                out[part] = self._permuted(which[part], numbers[part])
            return out
        out = self._walk(which, numbers.astype(np.uint64))
        beyond = np.flatnonzero(out >= self._n[which])
        while len(beyond):
            out[beyond] = self._walk(which[beyond], out[beyond])
            beyond = beyond[out[beyond] >= self._n[which[beyond]]]
        return out.astype(np.int64)

    def _walk(self, which: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        first = which[0]
        if (which == first).all():  # numbers instead of arrays: half the work
            a, b, keys = self._a[first], self._b[first], self._keys[:, first]
        else:
            a, b, keys = self._a[which], self._b[which], self._keys[:, which]
        high = numbers // b
        low = numbers - high * b
        for number, key in enumerate(keys):
            if number % 2:
                low = _added(low, high, key, b)
            else:
                high = _added(high, low, key, a)
        return high * b + low


def _added(digit: np.ndarray, other: np.ndarray, key: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Add a hash of the other digit, modulo the base."""
    mixed = other + key  # all modulo 2 ** 64
    mixed *= _MIX_1
    mixed ^= mixed >> _HALF
    mixed *= _MIX_2
    mixed >>= _HALF
    mixed *= base
    mixed >>= _HALF
    mixed += digit
    mixed -= base * (mixed >= base)
    return mixed
