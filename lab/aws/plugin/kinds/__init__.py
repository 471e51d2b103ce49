"""The resource types, a module per concern. Importing this registers all of them."""

from lab.aws.plugin.kinds import network as network
