"""What the lab's images hold; Istio's are laid out as its own Dockerfiles do it (pilot/docker, cni/deployments)."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Protocol

from lab.images.archive import Image
from lab.images.layers import Directory, Entry, File, Layer, Owner, Symlink, program, tree
from lab.paths import CLONE
from lab.tools import cache
from lab.tools.catalogue import FORMER, FORMER_ISTIO, ISTIO, tool

REPOSITORY = "localhost/istio-mesh"
"""A registry that does not exist: an image of this name is present or missing, but never fetched."""

PAUSE = f"{REPOSITORY}/pause:1"
"""The image of every pod's sandbox, as containerd's configuration names it."""

PROXY = f"{REPOSITORY}/proxyv2:{ISTIO}"
"""The image of sidecars and gateways, with a small shell that can serve files."""

PROXY_USER = Owner(1337, 1337)
"""User of istiod and proxies: istio-init lets the traffic of this user pass (pilot/docker, istio-iptables)."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_APPLETS = ("sh", "cat", "ls", "ps", "sleep")
_USERS = (
    ("root", 0, "/root"),
    ("istio-proxy", PROXY_USER.user, "/nonexistent"),
    ("nonroot", 65532, "/home/nonroot"),
    ("nobody", 65534, "/nonexistent"),
)


class Files(Protocol):
    """Where the files of images come from; lab.tools.Toolset is one."""

    def path(self, command: str, /) -> Path:
        """Where a command is."""
        ...

    def share(self, tool: str, /) -> Path:
        """The folder of files that come with a tool."""
        ...

    def debian(self, package: str, /) -> Path:
        """The unpacked root of a Debian package with its libraries."""
        ...


def tenant_image() -> str:
    """Name of the tenant's image. Its tag follows its sources, so that a change of them makes new pods."""
    return f"{REPOSITORY}/tenant:{cache.digest(tool('tenant'), CLONE)}"


def recipes(files: Files) -> list[Image]:
    """All images of the lab, in the order in which a region needs them.

    Raises:
        FileNotFoundError: A package of this release keeps its files at other places.
    """
    system, runtime = _system(files), _runtime(files)
    envoy = Layer("envoy", (program("usr/local/bin/envoy", files.path("envoy")),))
    return [
        Image(
            PAUSE,
            (Layer("pause", (program("pause", files.path("pause")),)),),
            entrypoint=("/pause",),
            user="65535:65535",
        ),
        _pilot(ISTIO, system, files),
        _proxy(ISTIO, (system, runtime, envoy), files, "istio"),
        Image(
            f"{REPOSITORY}/install-cni:{ISTIO}",
            (
                system,
                runtime,
                Layer(
                    "install-cni",
                    (
                        # install-cni copies all files of this folder to the node's (cni/pkg/constants, CNIBinDir).
                        program("opt/cni/bin/istio-cni", files.path("istio-cni")),
                        program("usr/local/bin/install-cni", files.path("install-cni")),
                    ),
                ),
            ),
            arguments=("/usr/local/bin/install-cni",),
            environment={"PATH": f"{_PATH}:/opt/cni/bin"},
            working_directory="/opt/cni/bin",
        ),
        Image(
            tenant_image(),
            (system, Layer("tenant", (program("tenant", files.path("tenant")),))),
            entrypoint=("/tenant",),
            user="65532:65532",
        ),
    ]


def former_recipes(files: Files, former: Files) -> list[Image]:
    """The images of istiod and proxies of Istio's former release; `former` has what is its own."""
    system, runtime = _system(files), _runtime(files)
    envoy = Layer("envoy", (program("usr/local/bin/envoy", files.path("envoy")),))
    return [
        _pilot(FORMER_ISTIO, system, former),
        _proxy(FORMER_ISTIO, (system, runtime, envoy), former, FORMER),
    ]


def _pilot(version: str, system: Layer, files: Files) -> Image:
    return Image(
        f"{REPOSITORY}/pilot:{version}",
        (system, Layer("pilot", (program("usr/local/bin/pilot-discovery", files.path("pilot-discovery")),))),
        entrypoint=("/usr/local/bin/pilot-discovery",),
        user="1337:1337",
        environment={"PATH": _PATH},
    )


def _proxy(version: str, below: tuple[Layer, ...], files: Files, istio: str) -> Image:
    """`istio`: the tool that has the agent."""
    return Image(
        f"{REPOSITORY}/proxyv2:{version}",
        (*below, _agent(files, istio)),
        entrypoint=("/usr/local/bin/pilot-agent",),
        # The charts ask runAsNonRoot of gateways without naming a user.
        user="1337:1337",
        environment={"PATH": _PATH},
    )


def _system(files: Files) -> Layer:
    """Users, trusted roots and the folders that every program expects."""
    passwd = "".join(f"{name}:x:{number}:{number}:{name}:{home}:/sbin/nologin\n" for name, number, home in _USERS)
    group = "".join(f"{name}:x:{number}:\n" for name, number, _ in _USERS)
    return Layer(
        "system",
        (
            File("etc/passwd", passwd.encode()),
            File("etc/group", group.encode()),
            File("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
            File("etc/ssl/certs/ca-certificates.crt", _roots(files.debian("ca-certificates"))),
            Directory("home/nonroot", owner=Owner(65532, 65532)),
            Directory("run"),
            Directory("tmp", 0o1777),
            Directory("var/lib"),
            Directory("var/log"),
            Symlink("var/run", "/run"),
        ),
    )


def _roots(package: Path) -> bytes:
    """The bundle that update-ca-certificates would make of the package's certificates."""
    found = sorted((package / "usr/share/ca-certificates").rglob("*.crt"))
    if not found:
        raise FileNotFoundError(f"{package}: the package ca-certificates holds no certificates")
    return b"".join(path.read_bytes().rstrip(b"\n") + b"\n" for path in found)


def _runtime(files: Files) -> Layer:
    """The C library that Envoy is linked with, iptables for traffic redirection, and a shell."""
    iptables = files.debian("iptables")
    libraries = chain(
        tree(files.debian("libc6"), ("lib/*/lib*.so.*", "lib/*/ld-linux*", "lib*/ld-linux*")),
        tree(iptables, ("usr/lib/*/lib*.so.*", "usr/lib/*/xtables/*.so")),
    )
    return Layer("runtime", (*libraries, *_iptables(iptables), *_shell(files.debian("busybox-static"))))


def _iptables(package: Path) -> list[Entry]:
    # Both kinds: Istio takes the older one where a pod's network has rules of it, else the newer one
    # (tools/istio-iptables/pkg/dependencies), and calls them by these names.
    entries: list[Entry] = []
    for kind in ("nft", "legacy"):
        binary = f"xtables-{kind}-multi"
        entries.append(program(f"usr/sbin/{binary}", package / "usr/sbin" / binary))
        for family in ("iptables", "ip6tables"):
            for action in ("", "-save", "-restore"):
                entries.append(Symlink(f"usr/sbin/{family}-{kind}{action}", binary))
                if kind == "nft":
                    entries.append(Symlink(f"usr/sbin/{family}{action}", binary))
    return entries


def _shell(package: Path) -> list[Entry]:
    links = [Symlink(f"bin/{applet}", "busybox") for applet in _APPLETS]
    return [program("bin/busybox", package / "bin/busybox"), *links]


def _agent(files: Files, istio: str) -> Layer:
    return Layer(
        "pilot-agent",
        (
            program("usr/local/bin/pilot-agent", files.path("pilot-agent")),
            File("var/lib/istio/envoy/envoy_bootstrap_tmpl.json", files.share(istio) / "envoy_bootstrap_tmpl.json"),
            # Envoy keeps WebAssembly modules here, and does not make the folder.
            Directory("var/lib/istio/data", owner=PROXY_USER),
            Directory("etc/istio/proxy", owner=PROXY_USER),
        ),
    )
