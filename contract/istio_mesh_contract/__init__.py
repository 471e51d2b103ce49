"""What a stack of istio-mesh tells other teams' programs, and what these make of it.

mesh = MeshOutputs.from_stack("organization/istio-mesh/prod")
"""

from istio_mesh_contract.credentials import AwsIdentity, ClientCertificate, Command, Credentials, Token
from istio_mesh_contract.mesh import Cluster, Mesh
from istio_mesh_contract.model import VERSION, MeshOutputs
from istio_mesh_contract.problems import ContractError

__all__ = [
    "VERSION",
    "AwsIdentity",
    "ClientCertificate",
    "Cluster",
    "Command",
    "ContractError",
    "Credentials",
    "Mesh",
    "MeshOutputs",
    "Token",
]
