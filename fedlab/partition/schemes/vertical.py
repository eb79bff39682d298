"""The vertical scheme: organisations hold different columns of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError, unknown_name
from fedlab.partition.dealing import even_counts
from fedlab.partition.dealt import Dealt
from fedlab.partition.registry import SCHEMES, scheme_traits

if TYPE_CHECKING:
    from fedlab.records import Records


def _check_features(features: Sequence[Sequence[str]] | None) -> None:
    if features is None:
        return
    listed = isinstance(features, Sequence) and not isinstance(features, str) and len(features)
    if not listed or not all(isinstance(one, Sequence) and not isinstance(one, str) and len(one) for one in features):
        raise FedlabError(f"features must be a list of lists of features, one list per organisation, got {features!r}")


@SCHEMES.register("vertical")
@scheme_traits(
    check=_check_features,
    count=lambda records, features: None if features is None else len(features),
    repaired=False,
    part=False,
)
def vertical(
    records: Records, n_shards: int, rng: np.random.Generator, *, features: Sequence[Sequence[str]] | None = None
) -> Dealt:
    """Give each organisation other features of the same rows, under the same identifier.

    All organisations hold all rows outside the holdout: the identifier, the target (so that each can train a
    model by itself, as a vote needs), site and group, and features of their own. Without `features` they are
    shuffled and dealt out evenly, each to one organisation. The holdout keeps all features. partition.json
    says so under ``vertical``. Columns that the schema gives no role are left out of the shards.

    Peers: ``VerticalEvenPartitioner`` and ``VerticalSizePartitioner`` of flwr-datasets; ``features_per_node``
    of FLEXible.

    Parameters
    ----------
    records : Records
        The table.
    n_shards : int
        How many organisations; with `features` their number.
    rng : numpy.random.Generator
        Shuffles the features.
    features : sequence of sequences of str, optional
        The features of each organisation; one may stand at several, or at none.

    Returns
    -------
    Dealt
        All rows for all, with the features of each.

    Raises
    ------
    FedlabError
        If there are fewer features than organisations, or one named is none of the schema's.
    """
    _check_features(features)
    known = records.schema.features
    if features is None:
        if n_shards > len(known):
            raise FedlabError(
                f"{len(known)} features cannot be split over {n_shards} organisations; give n_shards of at most "
                f"{len(known)}"
            )
        ends = np.cumsum(even_counts(np.array([len(known)]), n_shards)[0])
        parts = np.split(rng.permutation(len(known)), ends[:-1])
        chosen = [[known[place] for place in np.sort(part)] for part in parts]
    else:
        chosen = [list(one) for one in features]
        for name in (name for one in chosen for name in one):
            if name not in known:
                raise unknown_name("feature", name, known)
    return Dealt(np.zeros(records.n_rows, dtype=np.int64), features=tuple(map(tuple, chosen)))
