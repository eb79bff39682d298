"""The schemes, one family a module; importing this package registers them all."""

from fedlab.partition.schemes.classes import class_distribution, pathological, sorted_shards
from fedlab.partition.schemes.clusters import clusters
from fedlab.partition.schemes.composed import mixed, overlap
from fedlab.partition.schemes.even import iid, stratified
from fedlab.partition.schemes.feature import feature, feature_groups
from fedlab.partition.schemes.from_file import from_file
from fedlab.partition.schemes.label import dirichlet, dirichlet_organisations
from fedlab.partition.schemes.natural import grouped_sites, site
from fedlab.partition.schemes.size import (
    dirichlet_sizes,
    exponential,
    linear,
    lognormal,
    quantity,
    sizes,
    square,
)
from fedlab.partition.schemes.vertical import vertical

__all__ = [
    "class_distribution",
    "clusters",
    "dirichlet",
    "dirichlet_organisations",
    "dirichlet_sizes",
    "exponential",
    "feature",
    "feature_groups",
    "from_file",
    "grouped_sites",
    "iid",
    "linear",
    "lognormal",
    "mixed",
    "overlap",
    "pathological",
    "quantity",
    "site",
    "sizes",
    "sorted_shards",
    "square",
    "stratified",
    "vertical",
]
