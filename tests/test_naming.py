"""Names and their limits."""

from components import naming


def test_a_childs_name_begins_with_its_parents() -> None:
    assert naming.child("use1-gateways", "ingress") == "use1-gateways-ingress"


def test_a_type_token_names_project_room_and_class() -> None:
    assert naming.type_token("mesh", "ControlPlane") == "istio-mesh:mesh:ControlPlane"


def test_labels_come_from_one_place() -> None:
    assert naming.common_labels("trust", mesh_id="exam") == {
        "app.kubernetes.io/managed-by": "pulumi",
        "app.kubernetes.io/part-of": "istio-mesh",
        "app.kubernetes.io/component": "trust",
        "istio-mesh/mesh-id": "exam",
    }
