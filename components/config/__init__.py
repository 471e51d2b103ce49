"""What a stack may say: frozen models, one file per concern, and `load`, which reads and checks a whole stack."""

from components.config.clusters import ClusterConfig, ExistingClusterConfig
from components.config.faults import ConfigError
from components.config.gateways import EastWestConfig, GatewaysConfig, IngressConfig, ServerConfig, TlsConfig
from components.config.loading import load
from components.config.mesh import ChartsConfig, ImagesConfig, IstiodConfig, MeshConfig, ProxiesConfig
from components.config.security import PermissiveConfig, SecurityConfig
from components.config.stack import StackConfig
from components.config.trust import (
    GeneratedRoot,
    IntermediatesConfig,
    ProvidedRoot,
    RemoteTokensConfig,
    RootConfig,
    TrustConfig,
    WorkloadCertificatesConfig,
)

__all__ = [
    "ChartsConfig",
    "ClusterConfig",
    "ConfigError",
    "EastWestConfig",
    "ExistingClusterConfig",
    "GatewaysConfig",
    "GeneratedRoot",
    "ImagesConfig",
    "IngressConfig",
    "IntermediatesConfig",
    "IstiodConfig",
    "MeshConfig",
    "PermissiveConfig",
    "ProvidedRoot",
    "ProxiesConfig",
    "RemoteTokensConfig",
    "RootConfig",
    "SecurityConfig",
    "ServerConfig",
    "StackConfig",
    "TlsConfig",
    "TrustConfig",
    "WorkloadCertificatesConfig",
    "load",
]
