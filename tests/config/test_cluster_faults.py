"""What may be wrong with `istio-mesh:clusters`.

Each case is a change of the minimal valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.builders import ABSENT, faults_of

CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "no cluster",
        {"clusters": []},
        [
            "istio-mesh:clusters: it is empty. There has to be at least one. Add one.",
        ],
    ),
    (
        "clusters missing",
        {"clusters": ABSENT},
        [
            (
                "istio-mesh:clusters: it is missing. The clusters of the mesh, one per region: without it there "
                "is no mesh. Add it to the stack's file; Pulumi.local.yaml shows how."
            ),
        ],
    ),
    (
        "clusters as a map",
        {"clusters": {}},
        [
            (
                "istio-mesh:clusters: it is a map of keys and values, not a list. Nothing can be made of it. "
                "Write each item on a line of its own that begins with `- `."
            ),
        ],
    ),
    (
        "clusters as text",
        {"clusters": "use1"},
        [
            (
                "istio-mesh:clusters: it is a text, not a list. Nothing can be made of it. Write each item on a "
                "line of its own that begins with `- `."
            ),
        ],
    ),
    (
        "two of one name",
        {"clusters.1.name": "use1"},
        [
            (
                "istio-mesh:clusters[1].name: `use1` is that of clusters[0] already. Both would be the same "
                "resources. Give each cluster its own name."
            ),
        ],
    ),
    (
        "two of one network",
        {"clusters.1.network": "use1"},
        [
            (
                "istio-mesh:clusters[1].network: `use1` is that of clusters[0] already. Istio would send "
                "requests to the other cluster's pod addresses, which are not reachable from here. Give each "
                "cluster its own network, or leave it out: it is then the cluster's name."
            ),
        ],
    ),
    (
        "name in capitals",
        {"clusters.0.name": "USE1"},
        [
            (
                "istio-mesh:clusters[0].name: `USE1` is not a DNS label. Kubernetes refuses it as a name (RFC "
                "1123). Use at most 63 lower-case letters, digits and inner hyphens, as in `use1`."
            ),
        ],
    ),
    (
        "name too long",
        {"clusters.0.name": "u" * 64},
        [
            (
                f"istio-mesh:clusters[0].name: `{'u' * 64}` is not a DNS label. Kubernetes refuses it as a name (RFC "
                "1123). Use at most 63 lower-case letters, digits and inner hyphens, as in `use1`."
            ),
        ],
    ),
    (
        "name missing",
        {"clusters.0.name": ABSENT},
        [
            (
                "istio-mesh:clusters[0].name: it is missing. It has no default. Unique; a DNS label. "
                "Add it, as in `name: use1`."
            ),
        ],
    ),
    (
        "region empty",
        {"clusters.0.region": ""},
        [
            (
                "istio-mesh:clusters[0].region: it is empty. Kubernetes refuses it as a name (RFC 1123). Use at "
                "most 63 lower-case letters, digits and inner hyphens, as in `use1`."
            ),
        ],
    ),
    (
        "no such file",
        {"clusters.0.existing.kubeconfig": "nowhere/kubeconfig"},
        [
            (
                "istio-mesh:clusters[0].existing.kubeconfig: there is no file nowhere/kubeconfig. The cluster "
                "cannot be reached. Mend the path. Paths are relative to Pulumi.yaml."
            ),
        ],
    ),
    (
        "no such file of the lab",
        {"clusters.0.existing.kubeconfig": ".lab/kubeconfig-nowhere"},
        [
            (
                "istio-mesh:clusters[0].existing.kubeconfig: there is no file .lab/kubeconfig-nowhere. The "
                "cluster cannot be reached. Mend the path. `make up` writes it for the lab."
            ),
        ],
    ),
    (
        "no such context",
        {"clusters.0.existing.context": "prod"},
        [
            (
                "istio-mesh:clusters[0].existing.context: FOLDER/kubeconfig has no context `prod`. The cluster "
                "cannot be reached. Name one of those it has: `use1`, `usw2`."
            ),
        ],
    ),
    (
        "one cluster twice",
        {"clusters.1.existing.context": "use1"},
        [
            (
                "istio-mesh:clusters[1].existing: the cluster at https://192.0.2.1:6443 is that of clusters[0] "
                "already. Two control planes would fight over one cluster. Name another context or file."
            ),
        ],
    ),
    (
        "neither file nor context",
        {"clusters.0.existing": {}},
        [
            (
                "istio-mesh:clusters[0].existing: neither `kubeconfig` nor `context` is given. It would be "
                "whatever cluster kubectl points at just now, and another one tomorrow. Name the file, the "
                "context or both."
            ),
        ],
    ),
    (
        "address without scheme",
        {"clusters.0.existing.apiServer": "10.0.0.1:6443"},
        [
            (
                "istio-mesh:clusters[0].existing.apiServer: `10.0.0.1:6443` is not the address of an API "
                "server. The peers' istiods could not read this cluster's endpoints. Write scheme, host and "
                "port, as in `https://10.0.0.1:6443`."
            ),
        ],
    ),
    (
        "address of the peers themselves",
        {"clusters.0.existing.apiServer": "https://127.0.0.1:6443"},
        [
            (
                "istio-mesh:clusters[0].existing.apiServer: the API server of `use1` is known as "
                "https://127.0.0.1:6443. That is the peers themselves when they use it, and they would see no "
                "endpoint of this cluster. Set `apiServer` to an address that the other clusters reach, for "
                "kind the node container's: `https://172.18.0.2:6443`."
            ),
        ],
    ),
    (
        "existing missing",
        {"clusters.0.existing": ABSENT},
        [
            (
                "istio-mesh:clusters[0]: exactly one of `existing`, `eks` is needed, and none of them is given. There "
                "would be no cluster, or two of one name. Write `existing: {context: ...}` for a cluster that is "
                "there, or `eks: {slot: 0}` for one that is made here."
            ),
        ],
    ),
    (
        "existing misspelt",
        {"clusters.0.exsting": {}},
        [
            (
                "istio-mesh:clusters[0].exsting: there is no key `exsting`. It would be ignored, and the stack "
                "would not be what its file says. Did you mean `existing`?"
            ),
        ],
    ),
    (
        "existing empty",
        {"clusters.0.existing": None},
        [
            (
                "istio-mesh:clusters[0]: exactly one of `existing`, `eks` is needed, and none of them is given. There "
                "would be no cluster, or two of one name. Write `existing: {context: ...}` for a cluster that is "
                "there, or `eks: {slot: 0}` for one that is made here."
            ),
        ],
    ),
    (
        "remote to itself",
        {"clusters.1.primary": "usw2"},
        [
            (
                "istio-mesh:clusters[1].primary: `usw2` is the cluster itself. It would be remote to an istiod that it "
                "does not have. Leave `primary` out: the cluster then has an istiod of its own."
            ),
        ],
    ),
    (
        "primary misspelt",
        {"clusters.1.primary": "use2"},
        [
            (
                "istio-mesh:clusters[1].primary: there is no cluster `use2`. No istiod would serve the cluster, and no "
                "pod in it could join the mesh. Did you mean `use1`?"
            ),
        ],
    ),
    (
        "primary that no cluster is",
        {"clusters.1.primary": "frankfurt"},
        [
            (
                "istio-mesh:clusters[1].primary: there is no cluster `frankfurt`. No istiod would serve the cluster, "
                "and no pod in it could join the mesh. Name a cluster of this list that has no `primary`."
            ),
        ],
    ),
    (
        "primary in capitals",
        {"clusters.1.primary": "USE1"},
        [
            (
                "istio-mesh:clusters[1].primary: `USE1` is not a DNS label. Kubernetes refuses it as a name (RFC "
                "1123). Use at most 63 lower-case letters, digits and inner hyphens, as in `use1`."
            ),
        ],
    ),
    (
        "primary as a list",
        {"clusters.1.primary": ["use1"]},
        [
            ("istio-mesh:clusters[1].primary: it is a list, not a text. Nothing can be made of it. Write a text."),
        ],
    ),
    (
        "all remote, each to the other",
        {"clusters.0.primary": "usw2", "clusters.1.primary": "use1"},
        [
            (
                "istio-mesh:clusters[0].primary: `usw2` is itself a remote of `use1`. It has no istiod that could "
                "serve another cluster. Take `primary` out of the one that is to have an istiod."
            ),
            (
                "istio-mesh:clusters[1].primary: `use1` is itself a remote of `usw2`. It has no istiod that could "
                "serve another cluster. Take `primary` out of the one that is to have an istiod."
            ),
        ],
    ),
    (
        "several at once",
        {"clusters.0.name": "USE1", "clusters.1.existing.context": "prod", "clusters.1.zone": "a"},
        [
            (
                "istio-mesh:clusters[0].name: `USE1` is not a DNS label. Kubernetes refuses it as a name (RFC "
                "1123). Use at most 63 lower-case letters, digits and inner hyphens, as in `use1`."
            ),
            (
                "istio-mesh:clusters[1].existing.context: FOLDER/kubeconfig has no context `prod`. The cluster "
                "cannot be reached. Name one of those it has: `use1`, `usw2`."
            ),
            (
                "istio-mesh:clusters[1].zone: there is no key `zone`. It would be ignored, and the stack would "
                "not be what its file says. Known here: `name`, `region`, `network`, `primary`, `istio`, "
                "`lost`, `existing`, `eks`."
            ),
        ],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, changes) == faults


def test_a_remote_of_a_remote_is_told_which_one_is_the_primary(tmp_path: Path) -> None:
    changes = {"clusters.1.primary": "use1", "clusters.2.primary": "usw2"}
    assert faults_of(tmp_path, changes, clusters=("use1", "usw2", "euc1")) == [
        "istio-mesh:clusters[2].primary: `usw2` is itself a remote of `use1`. It has no istiod that could serve "
        "another cluster. Name `use1`."
    ]


def test_three_that_name_each_other_have_no_control_plane(tmp_path: Path) -> None:
    changes = {"clusters.0.primary": "usw2", "clusters.1.primary": "euc1", "clusters.2.primary": "use1"}
    found = faults_of(tmp_path, changes, clusters=("use1", "usw2", "euc1"))
    assert len(found) == 3
    assert all(fault.endswith("Take `primary` out of the one that is to have an istiod.") for fault in found)


def test_a_primary_with_a_fault_elsewhere_is_a_cluster_all_the_same(tmp_path: Path) -> None:
    found = faults_of(tmp_path, {"clusters.0.existing.context": "prod", "clusters.1.primary": "use1"})
    assert [fault.partition(":")[2].partition(":")[0] for fault in found] == ["clusters[0].existing.context"]


@pytest.mark.parametrize(
    "primaries",
    [
        {"clusters.1.primary": "use1"},
        {"clusters.0.primary": "usw2"},
        {"clusters.1.primary": "use1", "clusters.2.primary": "use1"},
        {"clusters.2.primary": "use1", "clusters.3.primary": "usw2"},
    ],
    ids=["one remote", "the remote first", "two remotes of one", "two primaries with one each"],
)
def test_primaries_with_remotes_can_be_said(tmp_path: Path, primaries: dict[str, str]) -> None:
    assert faults_of(tmp_path, primaries, clusters=("use1", "usw2", "euc1", "apse1")) == []


def test_the_only_primary_is_read_by_nobody_and_its_remote_is(tmp_path: Path) -> None:
    loopback = "https://127.0.0.1:6443"
    remote = {"clusters.1.primary": "use1"}
    assert faults_of(tmp_path, {**remote, "clusters.0.existing.apiServer": loopback}) == []
    (found,) = faults_of(tmp_path, {**remote, "clusters.1.existing.apiServer": loopback})
    assert found.startswith("istio-mesh:clusters[1].existing.apiServer: ")


@pytest.mark.parametrize(
    "server",
    [
        "https://localhost:6443",
        "https://localhost.:6443",
        "https://127.0.0.2:6443",
        "https://[::1]:6443",
        "https://0.0.0.0:6443",
        "https://[::]:6443",
    ],
)
def test_an_address_by_which_a_peer_reaches_itself_is_refused(tmp_path: Path, server: str) -> None:
    assert faults_of(tmp_path, {"clusters.0.existing.apiServer": server}) == [
        f"istio-mesh:clusters[0].existing.apiServer: the API server of `use1` is known as {server}. That is the peers "
        "themselves when they use it, and they would see no endpoint of this cluster. Set `apiServer` to an address "
        "that the other clusters reach, for kind the node container's: `https://172.18.0.2:6443`."
    ]


def test_a_cluster_may_have_the_longest_dns_label_for_a_name(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {}, clusters=("u" * 63, "usw2")) == []
