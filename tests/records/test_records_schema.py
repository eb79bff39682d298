"""The schema and the Records class."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.records import Records, Schema, column_kinds


def table(**columns):
    """Return records of three rows, with columns replaced by the given ones."""
    frame = pd.DataFrame({"id": [5, 3, 9], "age": [40, 50, 60], "ill": ["b", "a", "b"], **columns})
    return Records(frame, Schema("id", ["age"], "ill"), "three", {"source": "by hand"})


def test_columns_are_listed_once_in_the_order_of_roles():
    """A column with two roles (sensitive feature, site feature) stands once, where its first role puts it."""
    schema = Schema("i", ["b", "a", "s"], "t", sensitive=["a", "z"], site="s", group="g")
    assert schema.columns == ("i", "b", "a", "s", "t", "g", "z")


def test_a_schema_survives_json_and_is_frozen_and_hashable():
    """to_dict gives JSON-able values from which from_dict builds an equal schema."""
    schema = Schema("i", ["a", "b"], "t", sensitive=["a"], site="s", group="g", positive=np.int64(2))
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    assert hash(again) == hash(schema)
    with pytest.raises(dataclasses.FrozenInstanceError):
        schema.id = "other"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("i", [], "t"), "features is empty"),
        (("i", ["a", "a"], "t"), "'a' 2 times"),
        (("i", ["a", ""], "t"), "features holds ''"),
        (("i", "age", "t"), "features is 'age'; give a list"),
        (("i", ["a", 3], "t"), "features holds 3"),
        (("i", ["a", "i"], "t"), "'i' is both id and a feature"),
        (("i", ["a", "t"], "t"), "'t' is both target and a feature"),
        (("t", ["a"], "t"), "'t' is both id and target"),
        (("", ["a"], "t"), "id is ''"),
        (("i", ["a"], None), "target is None"),
        (("i", ["a"], "t", ["t"]), "'t' is both target and sensitive"),
        (("i", ["a"], "t", (), "t"), "'t' is both target and site"),
        (("i", ["a", "g"], "t", (), None, "g"), "'g' is both group and a feature"),
        (("i", ["a"], "t", (), None, "i"), "'i' is both id and group"),
    ],
)
def test_a_schema_refuses_roles_that_exclude_each_other(arguments, message):
    """Each impossible schema is refused with the column and the role."""
    with pytest.raises(FedlabError) as caught:
        Schema(*arguments)
    assert message in str(caught.value)


def test_from_dict_suggests_the_nearest_key_and_asks_for_missing_ones():
    """An unknown key names its neighbour; a missing one is named."""
    with pytest.raises(FedlabError, match="'tagret' is not known; did you mean 'target'"):
        Schema.from_dict({"id": "i", "features": ["a"], "tagret": "t"})
    with pytest.raises(FedlabError, match="target is missing"):
        Schema.from_dict({"id": "i", "features": ["a"]})


def test_arrays_are_plain_numpy_whatever_the_pandas_dtype():
    """Text comes as objects, numbers as numbers; classes are sorted; nothing is a pandas array."""
    records = table(age=pd.array([1, 2, 3], dtype="Int64"))
    for values in (records.y, records.ids, records.classes):
        assert type(values) is np.ndarray
    assert records.y.dtype == object
    assert records.y.tolist() == ["b", "a", "b"]
    assert all(type(value) is str for value in records.y)
    assert records.classes.tolist() == ["a", "b"]
    assert records.ids.tolist() == [5, 3, 9]
    assert records.groups is None
    assert records.sites is None


@pytest.mark.parametrize(("positive", "expected"), [(None, 7), (2, 2)])
def test_positive_is_the_schemas_or_the_greatest_class(positive, expected):
    """Without a choice the greatest class is positive, as a plain Python value."""
    frame = pd.DataFrame({"id": [1, 2, 3], "age": [1, 2, 3], "ill": [7, 2, 2]})
    found = Records(frame, Schema("id", ["age"], "ill", positive=positive), "x").positive
    assert found == expected
    assert type(found) is int


def test_take_keeps_order_repeats_and_numbers_rows_anew():
    """Positions in any order, a mask and no position at all all give records of those rows."""
    records = table()
    taken = records.take([2, 0, 2])
    assert taken.ids.tolist() == [9, 5, 9]
    assert taken.frame.index.tolist() == [0, 1, 2]
    assert (taken.schema, taken.name, taken.about) == (records.schema, records.name, records.about)
    assert records.take(np.array([False, True, False])).ids.tolist() == [3]
    assert records.take([]).n_rows == 0
    assert records.take([]).frame.dtypes.equals(records.frame.dtypes)


def test_any_index_is_replaced_and_a_missing_column_refused():
    """A frame cut out of another one is numbered from 0; a column that is not there is named."""
    records = table()
    cut = Records(records.frame.iloc[1:], records.schema, "cut")
    assert cut.frame.index.tolist() == [0, 1]
    with pytest.raises(FedlabError, match="no column 'age'"):
        Records(records.frame.drop(columns="age"), records.schema, "cut")


def test_groups_and_sites_are_read_from_their_columns():
    """A table with a group and a site gives both as arrays."""
    frame = pd.DataFrame({"id": [1, 2], "a": [0, 1], "t": [0, 1], "g": [8, 8], "s": ["x", "y"]})
    records = Records(frame, Schema("id", ["a"], "t", site="s", group="g"), "x")
    assert records.groups.tolist() == [8, 8]
    assert records.sites.tolist() == ["x", "y"]
    assert records.X.columns.tolist() == ["a"]


def test_column_kinds_name_what_each_column_holds():
    """Whole numbers, decimals, truth values and text are told apart."""
    frame = pd.DataFrame({"i": [1, 2], "f": [1.0, np.nan], "b": [True, False], "t": ["1", None]})
    assert column_kinds(frame) == {"i": "int", "f": "float", "b": "bool", "t": "text"}
