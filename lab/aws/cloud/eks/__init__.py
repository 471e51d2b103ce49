"""EKS. moto has clusters and node groups that accept nearly everything; all of it is the stand-in's own, therefore."""

from lab.aws.cloud.eks import access as access
from lab.aws.cloud.eks import addons as addons
from lab.aws.cloud.eks import clusters as clusters
from lab.aws.cloud.eks import nodes as nodes
