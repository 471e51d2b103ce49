"""The resource types, a module per concern. Importing this registers all of them."""

from lab.aws.plugin.kinds import authority as authority
from lab.aws.plugin.kinds import dns as dns
from lab.aws.plugin.kinds import eks as eks
from lab.aws.plugin.kinds import eks_nodes as eks_nodes
from lab.aws.plugin.kinds import eks_parts as eks_parts
from lab.aws.plugin.kinds import endpoints as endpoints
from lab.aws.plugin.kinds import gateways as gateways
from lab.aws.plugin.kinds import iam as iam
from lab.aws.plugin.kinds import keys as keys
from lab.aws.plugin.kinds import logs as logs
from lab.aws.plugin.kinds import network as network
from lab.aws.plugin.kinds import peering as peering
from lab.aws.plugin.kinds import routes as routes
from lab.aws.plugin.kinds import security as security
from lab.aws.plugin.kinds import transit as transit
