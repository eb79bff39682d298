"""Schemes with label skew by rule: exactly k classes each, blocks of sorted rows, or a table of shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedlab.errors import FedlabError
from fedlab.partition.checks import real_number, whole_number
from fedlab.partition.dealing import cut, deal, even_counts, largest_remainder, strata_rows
from fedlab.partition.registry import SCHEMES, scheme_traits
from fedlab.partition.units import label_codes, units_of

if TYPE_CHECKING:
    from fedlab.records import Records


def _check_pathological(classes_per_organisation: int) -> None:
    whole_number("classes_per_organisation", classes_per_organisation, 1)


def _labels(records: Records, **_: object) -> np.ndarray:
    return label_codes(records)


@SCHEMES.register("pathological")
@scheme_traits(check=_check_pathological, kinds=_labels)
def pathological(
    records: Records, n_shards: int, rng: np.random.Generator, *, classes_per_organisation: int = 2
) -> np.ndarray:
    """Give each organisation rows of exactly k classes.

    Classes are handed out like cards: every class goes to as near as possible equally many organisations
    (never to more than it has rows), so all rows are dealt; which organisations is drawn. A class is
    shuffled and dealt evenly to those that hold it. Repair never gives an organisation another class.

    Sources: Li et al. 2022 (NIID-Bench), "quantity-based label imbalance", its partition ``noniid-#label2``.
    Peers: ``PathologicalPartitioner`` of flwr-datasets, which draws the classes of each organisation by
    itself, so that a class may go to none and be lost; ``labels_per_node`` of FLEXible.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent class.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Draws who holds which class, then shuffles the rows.
    classes_per_organisation : int
        k, from 1 to the number of classes.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If there are fewer than k classes, too few organisations to hold all classes, or too few rows.
    """
    _check_pathological(classes_per_organisation)
    units = units_of(records)
    strata = units.majority(label_codes(records))
    counted = units.counted()
    totals = np.bincount(strata, minlength=int(strata.max()) + 1)
    holds = _hand_out(totals, n_shards, classes_per_organisation, units.noun, rng)
    targets = np.zeros((len(totals), n_shards), dtype=np.int64)
    for kind, total in enumerate(totals):
        holders = np.flatnonzero(holds[:, kind])
        targets[kind, rng.permutation(holders)] = even_counts(np.array([total]), len(holders))[0]
    return deal(counted, strata, targets, rng)


def _hand_out(totals: np.ndarray, n_shards: int, k: int, noun: str, rng: np.random.Generator) -> np.ndarray:
    """Return which organisation holds which class, bool array (n_shards, n_classes), k in each row."""
    n_classes = len(totals)
    if k > n_classes:
        raise FedlabError(
            f"classes_per_organisation {k} is more than the {n_classes} classes there are; give at most {n_classes}"
        )
    if n_shards * k < n_classes:
        raise FedlabError(
            f"{n_shards} organisations of {k} classes each cannot hold all {n_classes} classes; give n_shards of at "
            f"least {-(-n_classes // k)} or classes_per_organisation of at least {-(-n_classes // n_shards)}"
        )
    most = np.minimum(totals, n_shards)
    if most.sum() < n_shards * k:
        raise FedlabError(
            f"{n_shards} organisations of {k} classes each need {n_shards * k} {noun}s, each the only one of its "
            f"class at least, but classes of {totals.tolist()} {noun}s outside the holdout give "
            f"{int(most.sum())}; give classes_per_organisation of at most {int(most.sum()) // n_shards}, or fewer "
            "organisations"
        )
    quotas = _quotas(most, n_shards * k)
    holds = np.zeros((n_shards, n_classes), dtype=bool)
    for number in rng.permutation(n_shards):
        # those with the most left first: so every quota can still be met by the organisations to come
        chosen = np.lexsort((rng.random(n_classes), -quotas))[:k]
        holds[number, chosen] = True
        quotas[chosen] -= 1
    return holds


def _quotas(most: np.ndarray, total: int) -> np.ndarray:
    """Share `total` out as evenly as the limits allow."""
    level = int(np.flatnonzero([np.minimum(most, level).sum() <= total for level in range(most.max() + 1)])[-1])
    quotas = np.minimum(most, level)
    quotas[np.flatnonzero(most > level)[: total - quotas.sum()]] += 1
    return quotas


def _check_sorted(shards_per_organisation: int) -> None:
    whole_number("shards_per_organisation", shards_per_organisation, 1)


@SCHEMES.register("sorted_shards")
@scheme_traits(check=_check_sorted, kinds=_labels)
def sorted_shards(
    records: Records, n_shards: int, rng: np.random.Generator, *, shards_per_organisation: int = 2
) -> np.ndarray:
    """Sort the rows by class, cut them into ``n * s`` blocks, and give each organisation s blocks at random.

    Rows of one class are shuffled first. All blocks are equal to one row, and so are the sizes of the
    organisations: no row is dropped. An organisation holds few classes, at most s more than it has cuts
    between classes within its blocks.

    Source: McMahan et al. 2017 (Communication-efficient learning of deep networks from decentralized data),
    s = 2. Peers: ``ShardPartitioner`` of flwr-datasets; ``shards_partition`` of SMILELab's FedLab, which
    drops what does not divide evenly.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent class.
    n_shards : int
        How many organisations.
    rng : numpy.random.Generator
        Shuffles rows and blocks.
    shards_per_organisation : int
        s, 1 or more: how many blocks each organisation gets.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If there are fewer rows than blocks.
    """
    _check_sorted(shards_per_organisation)
    units = units_of(records)
    n_blocks = n_shards * shards_per_organisation
    if n_blocks > units.n:
        raise FedlabError(
            f"{n_shards} organisations of {shards_per_organisation} blocks each need {n_blocks} {units.noun}s, but "
            f"there are {units.n} outside the holdout; give shards_per_organisation of at most {units.n // n_shards}"
        )
    counted = units.counted()
    sizes = even_counts(even_counts(np.array([units.n]), n_shards)[0], shards_per_organisation).ravel()
    blocks = rng.permutation(n_blocks)
    order = rng.permutation(units.n)
    order = order[np.argsort(units.majority(label_codes(records))[order], kind="stable")]
    return (blocks[cut(counted, order, sizes[blocks])] // shards_per_organisation)[units.of_row]


def _check_distribution(distribution: Sequence[Sequence[float]]) -> None:
    table = isinstance(distribution, Sequence | np.ndarray) and not isinstance(distribution, str) and len(distribution)
    if not table or not all(isinstance(row, Sequence | np.ndarray) and len(row) for row in distribution):
        raise FedlabError(
            f"distribution must be a list of rows, one per organisation, each with one share per class, "
            f"got {distribution!r}"
        )
    if len({len(row) for row in distribution}) > 1:
        raise FedlabError(f"the rows of distribution must be equally long, got {[len(row) for row in distribution]}")
    for number, row in enumerate(distribution):
        for kind, share in enumerate(row):
            real_number(f"distribution[{number}][{kind}]", share, "a share of 0 or more", 0, float("inf"), low_ok=True)
    sums = np.asarray(distribution, dtype=float).sum(axis=0)
    if np.abs(sums - 1).max() > 1e-9:
        raise FedlabError(
            "each column of distribution must sum to 1, as it shares one class out over the organisations, got sums "
            f"{[float(f'{one:.6g}') for one in sums]}; divide each column by its sum"
        )


@SCHEMES.register("class_distribution")
@scheme_traits(check=_check_distribution, count=lambda records, distribution: len(distribution), kinds=_labels)
def class_distribution(
    records: Records, n_shards: int, rng: np.random.Generator, *, distribution: Sequence[Sequence[float]]
) -> np.ndarray:
    """Share each class out over the organisations as a table says.

    Organisation i gets ``distribution[i][j]`` of the rows of class j (classes in sorted order), shuffled and
    rounded to whole rows by largest remainder. A class an organisation has no share of is never given to it,
    by repair neither. Peers: ``DistributionPartitioner`` of flwr-datasets (its table is the other way round);
    ``weights_per_label`` of FLEXible.

    Parameters
    ----------
    records : Records
        The table. Rows of one group stay together and count as the group's most frequent class.
    n_shards : int
        How many organisations: the rows of the table.
    rng : numpy.random.Generator
        Shuffles the rows.
    distribution : sequence of sequences of float
        Shares (n_shards, n_classes), 0 or greater; each column sums to 1.

    Returns
    -------
    int array (n_rows,)
        The organisation of each row, from 0.

    Raises
    ------
    FedlabError
        If the table is not of this form, or has not a column for each class.
    """
    _check_distribution(distribution)
    units = units_of(records)
    strata = units.majority(label_codes(records))
    n_classes = int(label_codes(records).max()) + 1
    shares = np.asarray(distribution, dtype=float)
    if shares.shape != (n_shards, n_classes):
        raise FedlabError(
            f"distribution has {shares.shape[0]} rows and {shares.shape[1]} columns, but there are {n_shards} "
            f"organisations and {n_classes} classes ({', '.join(map(str, records.classes[:10]))}); give one row per "
            "organisation and one column per class"
        )
    totals = np.zeros(n_classes, dtype=np.int64)
    totals[: int(strata.max()) + 1] = strata_rows(units, strata)
    return deal(units, strata, largest_remainder(shares.T, totals), rng)
