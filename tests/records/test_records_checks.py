"""Every check on reading: a bad file, and an error that names file, column, rows and the fix."""

import gzip

import numpy as np
import pandas as pd
import pytest

from fedlab.errors import FedlabError
from fedlab.records import Schema, read_table

SCHEMA = Schema("id", ["age", "word"], "ill")
GOOD = "id,age,word,ill\n1,40,a,0\n2,50,b,1\n3,60,a,0\n"


def refused(tmp_path, content, schema=SCHEMA, name="my.csv", **options):
    """Write a bad file, read it, and return the message of the error, less the file's name it begins with."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FedlabError) as caught:
        read_table(path, schema, **options)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_the_good_file_passes(tmp_path):
    """The table that the bad ones are made from has nothing wrong."""
    (tmp_path / "my.csv").write_text(GOOD)
    assert read_table(tmp_path / "my.csv", SCHEMA).n_rows == 3


def test_a_missing_column_suggests_the_nearest(tmp_path):
    """A name in other letters is suggested, and the header is listed."""
    message = refused(tmp_path, GOOD.replace("age", "Age "))
    assert message == "there is no column 'age'; did you mean 'Age '? It has: id, Age , word, ill"


def test_another_separator_is_recognised(tmp_path):
    """A file with semicolons is said to need commas."""
    assert "separate the columns by commas" in refused(tmp_path, GOOD.replace(",", ";"))


def test_a_repeated_column_is_found_in_the_header(tmp_path):
    """Pandas would rename the second one; it is refused by name and places, needed or not."""
    message = refused(tmp_path, "id,age,word,ill,age\n1,40,a,0,7\n2,50,b,1,7\n")
    assert message.startswith("column 'age' stands 2 times in the header (columns 2, 5)")
    assert "columns 5, 6" in refused(tmp_path, "id,age,word,ill,x,x\n1,40,a,0,7,7\n2,50,b,1,7,7\n")


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "my.csv", "the file is empty (0 bytes)"),
        (b"\n\n", "my.csv", "the file is empty"),
        (gzip.compress(b"", mtime=0), "my.csv.gz", "the file is empty"),
        (b"id,age,word,ill\n", "my.csv", "a header but no row"),
        (b"not gzip", "my.csv.gz", "not a whole gzip file"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-12], "my.csv.gz", "not a whole gzip file"),
        (b"not parquet", "my.parquet", "not a Parquet file"),
        (GOOD.encode().replace(b"b,1", b"\xe9,1"), "my.csv", "not UTF-8 (line 3: b'\\xe9')"),
        (b"id,\xe9\n1,2\n", "my.csv", "not UTF-8 (line 1: b'\\xe9')"),
    ],
)
def test_files_that_hold_no_table(tmp_path, content, name, message):
    """Empty, broken and wrongly encoded files are told apart."""
    assert message in refused(tmp_path, content, name=name)


def test_a_file_that_is_not_there(tmp_path):
    """The error says from where relative paths count."""
    with pytest.raises(FedlabError, match="there is no such file; relative paths count from"):
        read_table(tmp_path / "none.csv", SCHEMA)


def test_rows_of_the_wrong_length(tmp_path):
    """Too many values (in one row, or in all) and too few are refused; pandas would shift or fill them."""
    assert "not a regular CSV table" in refused(tmp_path, GOOD + "4,50,b,1,9\n")
    assert "more values than the header" in refused(tmp_path, "id,age,word,ill\n1,40,a,0,9\n2,50,b,1,9\n")
    message = refused(tmp_path, GOOD + "4,50\n")
    assert message.startswith("row 4 (line 5 of the file) holds 2 values where the header has 4 names")


def test_a_repeated_identifier(tmp_path):
    """Both rows are shown, and the way out for persons with several records."""
    message = refused(tmp_path, GOOD + "2,70,a,1\n")
    assert message.startswith("identifier column 'id' is not unique, 2 rows share theirs with another: ")
    assert "row 2 (line 3 of the file): '2', row 4 (line 5 of the file): '2'" in message
    assert "as group" in message


def test_a_missing_identifier(tmp_path):
    """The row is shown with what stands in the file."""
    message = refused(tmp_path, GOOD.replace("2,50", "NA,50"))
    assert message.startswith("identifier column 'id' has 1 missing value: row 2 (line 3 of the file): 'NA'; give")


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    """Blank lines and line feeds inside quotes move the line, not the row."""
    message = refused(tmp_path, 'id,age,word,ill\n\n1,40,"a\na",0\n\n2,50,b,?\n3,60,a,0\n')
    assert "row 2 (line 6 of the file): '?'" in message


def test_a_missing_target_lists_the_first_five_rows_and_hints_at_class_names(tmp_path):
    """A class called None is not dropped in silence."""
    text = "id,age,word,ill\n" + "".join(f"{row},40,a,{'None' if row > 1 else 'mild'}\n" for row in range(1, 9))
    message = refused(tmp_path, text)
    assert message.startswith("target column 'ill' has 7 missing values: row 2 (line 3 of the file): 'None', ")
    assert "row 6 (line 7 of the file): 'None', and 2 more; " in message
    assert "None, NA or ? is meant as a class, rename it" in message


def test_a_target_with_one_class(tmp_path):
    """The one class is named; in a part of a table it is allowed."""
    text = GOOD.replace("b,1", "b,0")
    assert refused(tmp_path, text).startswith("target column 'ill' holds one class only, 0; ")
    assert read_table(tmp_path / "my.csv", SCHEMA, part=True).classes.tolist() == [0]


def test_a_target_of_fractions_or_infinity(tmp_path):
    """Numbers that are no classes are refused."""
    assert "holds fractions, not classes: row 2 (line 3 of the file): '1.5'" in refused(
        tmp_path, GOOD.replace("b,1", "b,1.5")
    )
    assert "column 'ill' has 1 infinite value" in refused(tmp_path, GOOD.replace("b,1", "b,inf"))


def test_classes_that_differ_by_spaces_only(tmp_path):
    """'yes' and 'yes ' would be two classes in silence."""
    text = "id,age,word,ill\n1,40,a,yes\n2,50,b,yes \n3,60,a,no\n"
    message = refused(tmp_path, text)
    assert message == (
        "target column 'ill' holds 'yes ' beside 'yes': row 2 (line 3 of the file): 'yes '; take the spaces away"
    )


def test_infinite_features(tmp_path):
    """Both infinities are shown as they stand in the file."""
    message = refused(tmp_path, GOOD.replace("40", "inf").replace("60", "-Infinity"))
    assert message.startswith("column 'age' has 2 infinite values: row 1 (line 2 of the file): 'inf', row 3")
    assert "'-Infinity'; correct them, or leave the cells empty" in message


def test_text_among_numbers(tmp_path):
    """A slip in a column of numbers is shown; missing cells do not count; so it is with the target."""
    rows = ["1,40,a,0", "2,12O,b,1", "3,,a,0", "4,61,a,0"]
    message = refused(tmp_path, "id,age,word,ill\n" + "\n".join(rows) + "\n")
    assert message.startswith(
        "column 'age' holds numbers, but not in 1 row: row 2 (line 3 of the file): '12O'; correct"
    )
    assert "column 'ill' holds numbers, but not in 1 row" in refused(tmp_path, GOOD.replace("b,1", "b,l"))


@pytest.mark.parametrize(("numbers", "allowed"), [(4, True), (5, False)])
def test_half_is_the_limit_between_categories_and_slips(tmp_path, numbers, allowed):
    """Of ten values four numbers make a column of categories, five make a column of numbers with slips."""
    cells = [str(250 + row) if row < numbers else f"V{row}" for row in range(10)]
    text = "id,age,ill\n" + "".join(f"{row},{cell},{row % 2}\n" for row, cell in enumerate(cells))
    schema = Schema("id", ["age"], "ill")
    if allowed:
        (tmp_path / "my.csv").write_text(text)
        assert read_table(tmp_path / "my.csv", schema).frame["age"].tolist() == cells
    else:
        assert "but not in 5 rows" in refused(tmp_path, text, schema)


def test_a_feature_missing_in_all_rows(tmp_path):
    """It is refused in a whole table and allowed in a part of one."""
    text = "id,age,word,ill\n1,,a,0\n2,?,b,1\n"
    assert refused(tmp_path, text) == "feature 'age' is missing in all rows; take it out of features"
    assert read_table(tmp_path / "my.csv", SCHEMA, part=True).frame["age"].isna().all()


@pytest.mark.parametrize("role", ["site", "group"])
def test_a_missing_site_or_group(tmp_path, role):
    """A row must come from somewhere and belong to someone."""
    schema = Schema("id", ["age"], "ill", **{role: "word"})
    message = refused(tmp_path, GOOD.replace("b,1", ",1"), schema)
    assert message.startswith(f"{role} column 'word' has 1 missing value: row 2 (line 3 of the file): (empty); ")


def test_missing_features_and_sensitive_values_are_allowed(tmp_path):
    """Both reach the models' room as missing values."""
    (tmp_path / "my.csv").write_text("id,age,word,ill\n1,,a,0\n2,50,,1\n")
    frame = read_table(tmp_path / "my.csv", Schema("id", ["age"], "ill", sensitive=["word"])).frame
    assert frame[["age", "word"]].isna().to_numpy().tolist() == [[True, False], [False, True]]


def test_a_positive_class_of_another_type(tmp_path):
    """The text '1' is no number 1; the error says what to write. A number equal to the class is right."""
    message = refused(tmp_path, GOOD, Schema("id", ["age"], "ill", positive="1"))
    assert message == (
        "positive is '1', which is no class of target 'ill'; the class is the number 1, not the text '1': write 1"
    )
    schema = Schema("id", ["age"], "ill", positive=1)
    words = GOOD.replace(",0\n", ",no\n").replace(",1\n", ",yes\n")
    assert "give one of 'no', 'yes'" in refused(tmp_path, words, schema)
    (tmp_path / "my.csv").write_text(GOOD)
    assert read_table(tmp_path / "my.csv", schema).positive == 1


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "values that are neither numbers nor text"),
        ([[1], [2]], "values that are neither numbers nor text"),
        ([b"a", b"b"], "values that are neither numbers nor text (2 bytes)"),
    ],
)
def test_parquet_columns_of_other_types(tmp_path, column, found):
    """Dates, lists and bytes are refused as features, with their rows (a Parquet file has no lines)."""
    frame = pd.DataFrame({"id": [1, 2], "age": column, "word": ["a", "b"], "ill": [0, 1]})
    frame.to_parquet(tmp_path / "t.parquet")
    message = refused(tmp_path, (tmp_path / "t.parquet").read_bytes(), name="t.parquet")
    assert f"column 'age' holds {found}" in message
    assert "row 1: " in message
    assert "line" not in message


def test_mixed_types_in_memory_are_found():
    """A target of numbers and text has no order: the fewer are shown."""
    from fedlab.records.checks import check_records
    from fedlab.records.sources import Source

    frame = pd.DataFrame({"id": [1, 2, 3], "age": [1, 2, 3], "ill": np.array([0, "a", 1], dtype=object)})
    with pytest.raises(FedlabError, match=r"'ill' holds mixed types \(2 number, 1 text\): row 2: 'a'; make it all"):
        check_records(frame, Schema("id", ["age"], "ill"), Source("made"))
