"""Who trusts whom: the root and the intermediates, and the secrets by which the clusters read each other."""

from components.trust.authorities import Authorities, Intermediate
from components.trust.remote_secrets import RemoteSecrets

__all__ = ["Authorities", "Intermediate", "RemoteSecrets"]
