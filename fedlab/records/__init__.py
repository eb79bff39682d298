"""Reading and checking patient tables, the built-in cohorts, and the contingency table."""

from fedlab.records.cohorts import COHORTS, check_data, data_fingerprint, load_records
from fedlab.records.contingency import ContingencyTable, contingency_table
from fedlab.records.reading import read_table, write_table
from fedlab.records.schema import Schema
from fedlab.records.table import Records, column_kinds

__all__ = [
    "COHORTS",
    "ContingencyTable",
    "Records",
    "Schema",
    "check_data",
    "column_kinds",
    "contingency_table",
    "data_fingerprint",
    "load_records",
    "read_table",
    "write_table",
]
