"""Reading and checking patient tables, and the built-in cohorts."""

from fedlab.records.cohorts import COHORTS, check_data, data_fingerprint, load_records
from fedlab.records.reading import read_table, write_table
from fedlab.records.schema import Schema
from fedlab.records.table import Records, column_kinds

__all__ = [
    "COHORTS",
    "Records",
    "Schema",
    "check_data",
    "column_kinds",
    "data_fingerprint",
    "load_records",
    "read_table",
    "write_table",
]
