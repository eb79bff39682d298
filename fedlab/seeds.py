"""One tree of random generators per seed: a named branch for each purpose, so that adding one moves no other."""

import hashlib

import numpy as np


def branch(seed: int, *path: str | int) -> np.random.SeedSequence:
    """Return the seed sequence at a named place of the seed's tree.

    Parameters
    ----------
    seed : int
        The seed of the cell, 0 or greater.
    *path : str or int
        Where in the tree: a purpose, then for instance an organisation's number.

    Returns
    -------
    numpy.random.SeedSequence
        The same for the same arguments, on every platform, in any order of calls.
    """
    words = [int.from_bytes(hashlib.sha256(str(part).encode()).digest()[:4], "big") for part in path]
    return np.random.SeedSequence(entropy=seed, spawn_key=tuple(words))


def rng(seed: int, *path: str | int) -> np.random.Generator:
    """Return a fresh generator at a named place of the seed's tree (see `branch`).

    Examples
    --------
    >>> float(rng(0, "partition").random()) == float(rng(0, "partition").random())
    True
    >>> float(rng(0, "partition").random()) == float(rng(0, "holdout").random())
    False
    """
    return np.random.Generator(np.random.PCG64(branch(seed, *path)))
