"""What would travel: bytes of the data, of the models, of the questions and of the answers to them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fedlab.partition import Partition
    from fedlab.records import Records
    from fedlab.voting import Ballots


def bytes_sent(partition: Partition, holdout: Records, ballots: Ballots, model_bytes: int) -> dict[str, int | None]:
    """Return the bytes of each thing that organisations could send, or be sent, summed over all of them.

    Parameters
    ----------
    partition : Partition
        Its shard files are the data.
    holdout : Records
        The records that were asked about.
    ballots : Ballots
        The answers.
    model_bytes : int
        Of all model files, as they were written.

    Returns
    -------
    dict
        ``data_bytes``: all shard files. ``data_compressed_bytes``: each compressed by zlib. ``model_bytes``.
        ``question_bytes``: the features of the records asked about, as compressed CSV, sent to every organisation.
        ``label_ballot_bytes``, ``probability_ballot_bytes``: every organisation's answer, compressed: a class for
        each record (of two different answers a bit, of up to 256 a byte, of more two), or all class probabilities
        but the last in 32 bits; None where the models give none.
    """
    shards = [partition.shard_path(number).read_bytes() for number in range(partition.n_shards)]
    asked = zlib.compress(holdout.X.to_csv(index=False, lineterminator="\n").encode())
    return {
        "data_bytes": partition.data_bytes,
        "data_compressed_bytes": sum(len(zlib.compress(shard)) for shard in shards),
        "model_bytes": model_bytes,
        "question_bytes": ballots.n_models * len(asked),
        "label_ballot_bytes": sum(len(zlib.compress(_packed(labels))) for labels in ballots.labels),
        "probability_ballot_bytes": None
        if ballots.probabilities is None
        else sum(len(zlib.compress(own[:, :-1].astype("<f4").tobytes())) for own in ballots.probabilities),
    }


def _packed(labels: np.ndarray) -> bytes:
    """Return answers in a bit each where two differ at most, in a byte up to 256 different ones, else in two bytes."""
    values, codes = np.unique(labels, return_inverse=True)
    if len(values) <= 2:
        return np.packbits(codes).tobytes()
    return codes.astype("<u1" if len(values) <= 256 else "<u2").tobytes()
