"""Small parts of the regions' run time, each on its own."""

from __future__ import annotations

import struct
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lab import cgroups, control_plane, link, network, packet_delay, pki, status
from lab.component_model import Setting
from lab.errors import LabError
from lab.image_store import ImageStore
from lab.link import Distance
from lab.paths import Paths
from lab.regions import load_regions
from lab.waiting import wait_for

TOPOLOGY = load_regions()


def test_waiting_ends_as_soon_as_the_condition_holds() -> None:
    answers = iter([None, None, "there"])
    assert wait_for(lambda: next(answers), deadline=5, what="it", interval=0) == "there"


def test_waiting_gives_up_with_the_last_problem() -> None:
    def refused() -> bool:
        raise ConnectionRefusedError("no one listens")

    started = time.monotonic()
    with pytest.raises(
        LabError, match=r"Waited 0\.05 s for the port, in vain \(ConnectionRefusedError: no one listens\)"
    ):
        wait_for(refused, deadline=0.05, what="the port", interval=0.01)
    assert time.monotonic() - started < 2


def test_waiting_ends_at_once_when_it_is_of_no_use() -> None:
    def ended() -> bool:
        raise LabError("etcd ended at once")

    with pytest.raises(LabError, match="etcd ended at once"):
        wait_for(ended, deadline=60, what="etcd")


VERSION_1 = """\
32 30 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 32 0:30 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
35 32 0:31 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
36 32 0:32 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
HYBRID = """\
35 32 0:31 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
36 32 0:32 / /sys/fs/cgroup/net rw,relatime - cgroup cgroup rw,net_cls
37 32 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
VERSION_2 = "32 30 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_control_groups_of_version_1_win_over_a_version_2_without_controllers() -> None:
    assert [(str(tree.mount), tree.options) for tree in cgroups.hierarchies(VERSION_1)] == [
        ("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"),
        ("/sys/fs/cgroup/memory", "memory"),
        ("/sys/fs/cgroup/systemd", "none,name=systemd"),
    ]


def test_control_groups_of_version_2_win_where_version_1_has_no_memory() -> None:
    assert [str(tree.mount) for tree in cgroups.hierarchies(HYBRID)] == ["/sys/fs/cgroup/unified"]


def test_controllers_that_the_kubelet_needs_and_the_machine_lacks_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cgroups.hierarchies(VERSION_1)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: first)
    assert cgroups.missing_controllers() == ["cpuset", "pids"]
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io pids\n")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [cgroups.Hierarchy(tmp_path, "")])
    assert cgroups.missing_controllers() == ["memory"]


def test_the_engine_is_not_counted_as_memory_of_the_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, usage in (("use1", 500), ("usw2", 300), (cgroups.ENGINE, 9000)):
        group = tmp_path / cgroups.PARENT / name
        group.mkdir(parents=True)
        (group / "memory.current").write_text(f"{usage}\n")
        (group / "memory.stat").write_text("anon 1\ninactive_file 100\n")
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [cgroups.Hierarchy(tmp_path, "")])
    assert cgroups.memory_bytes() == 600


def test_the_name_servers_file_holds_a_path_with_a_space_as_one_word(tmp_path: Path) -> None:
    region, paths = TOPOLOGY.regions[0], Paths(tmp_path / "a clone").region("use1")
    setting = Setting(region, paths, pki.create(region, paths.pki), "pause", lambda name: Path(name))
    corefile = control_plane.coredns(setting).files[setting.path("Corefile")]
    assert f'        kubeconfig "{paths.run}/coredns.kubeconfig"\n' in corefile


def test_names_of_the_public_domain_have_an_address_that_no_network_has(tmp_path: Path) -> None:
    region, paths = TOPOLOGY.regions[0], Paths(tmp_path).region("use1")
    setting = Setting(region, paths, pki.create(region, paths.pki), "pause", lambda name: Path(name))
    corefile = control_plane.coredns(setting).files[setting.path("Corefile")]
    assert '    template IN A example.com {\n        answer "{{ .Name }} 60 IN A 192.0.2.1"\n' in corefile
    assert "forward" not in corefile, "other names are refused at once: there is nobody to ask"


def test_control_groups_of_version_2_alone() -> None:
    (tree,) = cgroups.hierarchies(VERSION_2)
    assert tree.unified
    assert str(tree.mount) == "/sys/fs/cgroup"


def test_packets_that_enter_a_region_reach_its_pods_by_translation_only() -> None:
    rules = network.packet_filter(TOPOLOGY.regions[0]).splitlines()
    accepted = rules.index(
        "-A FORWARD -i eth0 -d 10.101.0.0/16 -m conntrack --ctstate ESTABLISHED,RELATED,DNAT -j ACCEPT"
    )
    assert accepted < rules.index("-A FORWARD -i eth0 -d 10.101.0.0/16 -j REJECT")
    assert "-A POSTROUTING -s 10.101.0.0/16 -o eth0 -j MASQUERADE" in rules


@pytest.mark.parametrize(
    ("latency", "loss", "expected"),
    [("60ms", "0.1%", Distance(0.06, 0.001)), ("1.5s", "0%", Distance(1.5, 0)), ("0ms", "0%", Distance())],
)
def test_a_distance_is_said_as_people_say_it(latency: str, loss: str, expected: Distance) -> None:
    parsed = Distance.parse(latency, loss)
    assert (parsed.latency, parsed.loss) == pytest.approx((expected.latency, expected.loss))


@pytest.mark.parametrize(
    ("latency", "loss", "sentence"),
    [("60", "0%", "`60` is no latency"), ("60ms", "0.1", "`0.1` is no share"), ("60s", "0%", "at most 10s and 100%")],
)
def test_other_words_for_a_distance_are_refused(latency: str, loss: str, sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        Distance.parse(latency, loss)


def test_netem_delays_half_of_the_round_trip_and_only_what_comes_from_other_regions() -> None:
    commands = link.netem_commands(TOPOLOGY.regions[0], TOPOLOGY, Distance(0.06, 0.001))
    assert commands == [
        "qdisc replace dev lab-use1 root handle 1: prio bands 4",
        "qdisc replace dev lab-use1 parent 1:4 handle 40: netem limit 100000 delay 30000us loss 0.1%",
        "filter add dev lab-use1 parent 1: protocol ip u32 match ip src 198.18.0.12/32 flowid 1:4",
        "filter add dev lab-use1 parent 1: protocol ip u32 match ip src 198.18.12.0/24 flowid 1:4",
    ]


def test_a_packets_number_is_read_from_what_the_kernel_announces() -> None:
    header = packet_delay.attribute(packet_delay.ATTRIBUTE_PACKET_HEADER, struct.pack("!IHB", 4711, 0x0800, 0))
    announced = packet_delay.message(packet_delay.MESSAGE_PACKET, 77, packet_delay.attribute(3, b"mark") + header)
    ((kind, body),) = packet_delay.messages(announced)
    assert kind == packet_delay.SUBSYSTEM_QUEUE | packet_delay.MESSAGE_PACKET
    assert packet_delay.packet_number(body) == 4711


def test_two_announcements_in_one_datagram_are_two() -> None:
    one = packet_delay.message(packet_delay.MESSAGE_PACKET, 77, packet_delay.attribute(1, struct.pack("!IHB", 1, 0, 0)))
    two = packet_delay.message(packet_delay.MESSAGE_PACKET, 77, packet_delay.attribute(1, struct.pack("!IHB", 2, 0, 0)))
    assert [packet_delay.packet_number(body) for _, body in packet_delay.messages(one + two)] == [1, 2]


def test_remote_clusters_are_read_from_istioctls_table() -> None:
    table = (
        "NAME     SECRET                                         STATUS      ISTIOD                   REVISION\n"
        "use1                                                    synced      istiod-1-31-7d6-abcde    1-31\n"
        "usw2     istio-system/istio-remote-secret-usw2          timeout     istiod-1-31-7d6-abcde    1-31\n"
        "usw2     istio-system/istio-remote-secret-usw2          synced      istiod-1-31-7d6-fghij    1-31\n"
    )
    assert status.remote_clusters(table) == {"use1": "synced", "usw2": "timeout"}


def test_public_hosts_are_those_of_the_ingress() -> None:
    def routed(host: str, *gateways: str) -> dict[str, Any]:
        return {"spec": {"hosts": [host], **({"gateways": list(gateways)} if gateways else {})}}

    items = [
        routed("exam-platform.com", "istio-ingress/ingress"),
        routed("istiod-1-31.istio-system.svc", "istiod-gateway"),
        routed("both.example.com", "mesh", "istio-ingress/ingress"),
        routed("exam-service"),
    ]
    assert status.public_hosts(items) == ("exam-platform.com", "both.example.com")


def test_a_certificates_age_is_said_in_words() -> None:
    now = datetime(2026, 9, 1, tzinfo=UTC)
    one = status.Certificate("intermediate", now - timedelta(hours=30), now + timedelta(days=700, hours=3))
    assert one.describe(now) == "intermediate: 30 h old, 700 d left"
    ended = status.Certificate("root", now - timedelta(days=9), now - timedelta(days=1))
    assert ended.describe(now) == "root: 9 d old, nothing left"


def store(tmp_path: Path, content: str = "image") -> ImageStore:
    archive = tmp_path / content / "image.tar"
    archive.parent.mkdir(exist_ok=True)
    archive.write_text(content)
    directory = tmp_path / "images"
    directory.mkdir(exist_ok=True)
    return ImageStore(directory, (archive,), Path("/usr/bin/containerd"))


def test_images_are_imported_once_and_then_shared(tmp_path: Path) -> None:
    imports: list[Path] = []

    def node(name: str, images: ImageStore) -> tuple[Path, bool]:
        target = tmp_path / name

        def import_all(archives: object) -> None:
            imports.append(target)
            (target / "snapshots/1").mkdir(parents=True)
            (target / "snapshots/1/layer").write_text("layer")
            (target / "meta.db").write_text("database")

        return target, images.fill(target, import_all)

    first, imported = node("first", store(tmp_path))
    assert imported
    second, imported = node("second", store(tmp_path))
    assert not imported
    assert imports == [first]
    assert (second / "snapshots/1/layer").samefile(first / "snapshots/1/layer")
    assert not (second / "meta.db").samefile(first / "meta.db"), "two containerds would write to one database"
    _, imported = node("third", store(tmp_path, "newer image"))
    assert imported, "another image needs another import"
    assert len(list((tmp_path / "images").glob("store-*"))) == 1, "the old store takes up the disk"


def test_an_import_that_was_cut_off_leaves_no_store(tmp_path: Path) -> None:
    images = store(tmp_path)

    def import_all(archives: object) -> None:
        raise LabError("containerd ended")

    with pytest.raises(LabError, match="containerd ended"):
        images.fill(tmp_path / "node", import_all)
    assert not images.path.exists()
