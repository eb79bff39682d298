"""Small tables, and random ones, for the tests of this room."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from fedlab.records import Records, Schema


def table(labels, groups=None, sites=None, **columns):
    """Give records with these labels, one feature, and group and site columns where given."""
    frame = pd.DataFrame({"id": np.arange(len(labels)) + 100, "age": np.arange(len(labels)) % 7, **columns})
    frame["ill"] = labels
    if groups is not None:
        frame["patient"] = groups
    if sites is not None:
        frame["town"] = sites
    schema = Schema(
        "id",
        ["age"],
        "ill",
        group=None if groups is None else "patient",
        site=None if sites is None else "town",
    )
    return Records(frame, schema, "made by hand")


@st.composite
def tables(draw, grouped=None):
    """Draw a table of 40 to 120 rows and 2 to 4 classes, with groups of 1 to 4 rows if asked or by chance."""
    seed = draw(st.integers(0, 2**32 - 1))
    n_rows, n_classes = draw(st.integers(40, 120)), draw(st.integers(2, 4))
    rng = np.random.default_rng(seed)
    labels = rng.choice(n_classes, n_rows, p=rng.dirichlet(np.ones(n_classes) * 2))
    labels[:n_classes] = np.arange(n_classes)
    if draw(st.booleans()):
        labels = np.sort(labels)
    if grouped is None:
        grouped = draw(st.booleans())
    groups = rng.integers(0, n_rows // 2, n_rows) if grouped else None
    return table(np.array(["no", "yes", "maybe", "never"])[labels], groups)


def scheme_calls():
    """Draw a scheme that takes any shard count, with options."""
    return st.sampled_from(
        [
            ("iid", {}),
            ("stratified", {}),
            ("dirichlet", {"alpha": 0.05}),
            ("dirichlet", {"alpha": 1}),
            ("dirichlet", {"alpha": 1e6}),
            ("quantity", {}),
            ("quantity", {"exponent": 0}),
            ("quantity", {"exponent": 300.0}),
        ]
    )
