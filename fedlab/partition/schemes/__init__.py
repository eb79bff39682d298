"""The schemes, one family a module; importing this package registers them all."""

from fedlab.partition.schemes.even import iid, stratified
from fedlab.partition.schemes.label import dirichlet
from fedlab.partition.schemes.natural import site
from fedlab.partition.schemes.size import quantity

__all__ = ["dirichlet", "iid", "quantity", "site", "stratified"]
