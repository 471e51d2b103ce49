"""What may be wrong with limits of requests and with `istio-mesh:extensions`.

Each case is a change of a valid stack and every fault that it must show, word by word.
"""

from pathlib import Path
from typing import Any

import pytest

from components.config.faults import InvalidValue
from components.config.values import ByteSize, ShortDuration
from tests.builders import faults_of

SHA, OTHER = "a" * 64, "b" * 64
SERVICE = 'istio-mesh:services["exam/api"]'
MODULE = "istio-mesh:extensions.wasm.integrity"


def service(ports: dict[str, int] | None = None, **words: Any) -> dict[str, Any]:
    return {"services": {"exam/api": {"ports": ports or {"http": 8080}, **words}}}


def wasm(ports: dict[str, int] | None = None, **words: Any) -> dict[str, Any]:
    module = {"url": "oci://registry.example.com/a:1", "sha256": SHA, "services": ["exam/api"], **words}
    given = {key: value for key, value in module.items() if value is not None}
    return {**service(ports), "extensions": {"wasm": {"integrity": given}}}


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("right", {**wasm(), **service(rateLimit={"requests": 100, "per": "60s"}, maxRequestBody="1Mi")}, []),
    (
        "no requests",
        service(rateLimit={"requests": 0, "per": "60s"}),
        [
            f"{SERVICE}.rateLimit.requests: 0 is below 1. It is out of the range that makes sense. Write a number that "
            "is not below 1."
        ],
    ),
    (
        "rate without a unit",
        service(rateLimit={"requests": 100, "per": 60}),
        [
            f"{SERVICE}.rateLimit.per: the number 60 is not a length of time. Without a unit seconds and days look "
            "alike. Write whole numbers with units from d, h, m, s, as in `24h`, `730d` or `1h30m`."
        ],
    ),
    (
        "rate of the whole mesh",
        service(rateLimit={"requests": 100, "per": "60s", "scope": "mesh"}),
        [f"{SERVICE}.rateLimit.scope: it is `mesh`. Only these are known: `proxy`. Take one."],
    ),
    (
        "size without a unit",
        service(maxRequestBody=1048576),
        [
            f"{SERVICE}.maxRequestBody: the number 1048576 is not a size. Without a unit bytes and kilobytes look "
            "alike. Write a whole number with a unit from k, Ki, M, Mi, G, Gi, as in `1Mi`."
        ],
    ),
    (
        "size that Envoy cannot count",
        service(maxRequestBody="4Gi"),
        [
            f"{SERVICE}.maxRequestBody: 4Gi is more than Envoy can count. It counts these bytes from 1 up to "
            "4294967295. Write a size in between, as in `1Mi`."
        ],
    ),
    (
        "limits of a service without requests",
        service({"tcp": 6379}, rateLimit={"requests": 1, "per": "1s"}, maxRequestBody="1Mi"),
        [
            f"{SERVICE}.{word}: the service has no HTTP port. Proxies see no requests on its ports, only connections, "
            "and it would be ignored. Name an HTTP port, as in `http: 8080`, or take it out."
            for word in ("rateLimit", "maxRequestBody")
        ],
    ),
    (
        "size of what is only gRPC",
        service({"grpc": 9090}, maxRequestBody="1Mi"),
        [
            f"{SERVICE}.maxRequestBody: the service's only requests are gRPC. A proxy holds a request back until all "
            "of it has come, and a stream would never begin. Take it out, and limit the size of messages in the server."
        ],
    ),
    (
        "size of a stream",
        service(maxRequestBody="1Mi", stream=True),
        [
            f"{SERVICE}.maxRequestBody: a route of the service is a stream. A proxy holds a request back until all of "
            "it has come, and a stream would never begin. Take it out, or make the streams a service of their own."
        ],
    ),
    (
        "module without a sum",
        wasm(sha256=None),
        [
            f"{MODULE}.sha256: the module is not pinned by a sum. What proxies run could be replaced by whoever may "
            "write to where it lies. Add `sha256`, the sum of the module, or for an OCI image a digest: "
            "`...@sha256:...`."
        ],
    ),
    ("module with a digest", wasm(sha256=None, url=f"oci://registry.example.com/a@sha256:{SHA}"), []),
    (
        "module with two sums",
        wasm(url=f"oci://registry.example.com/a@sha256:{OTHER}"),
        [
            f"{MODULE}.sha256: it is {SHA}, and `url` has {OTHER}. No image has both, and every proxy would refuse the "
            "extension. Keep one of them; for an image both are its digest."
        ],
    ),
    (
        "sum in capitals",
        wasm(sha256="A" * 64),
        [
            f"{MODULE}.sha256: `{'A' * 64}` is not a SHA-256 sum. No file has it, and every proxy would refuse the "
            "extension. Write the 64 lower-case digits that `sha256sum` prints."
        ],
    ),
    (
        "digest that is none",
        wasm(url="oci://registry.example.com/a@sha256:1"),
        [
            f"{MODULE}.url: `oci://registry.example.com/a@sha256:1` has a digest that is none. No image has it, and "
            "every proxy would refuse the extension. Write it as in "
            "`oci://registry.example.com/exam-integrity@sha256:` and 64 lower-case digits."
        ],
    ),
    (
        "module without a scheme",
        wasm(url="registry.example.com/a:1"),
        [
            f"{MODULE}.url: `registry.example.com/a:1` is not where a Wasm module can be. No proxy could fetch it. "
            "Write it with its scheme, as in `oci://registry.example.com/exam-integrity:1.0` or `https://...`."
        ],
    ),
    (
        "secret for a file",
        wasm(url="https://x.example.com/a.wasm", pullSecret="registry"),
        [
            f"{MODULE}.pullSecret: the module is not an OCI image. Nothing would be asked with it. Take it out, or "
            "give `url` as `oci://...`."
        ],
    ),
    (
        "check that can be switched off",
        wasm(phase="authn", onFailure="pass"),
        [
            f"{MODULE}.onFailure: requests would pass without the module in the phase `authn`. Whoever keeps the "
            "module from being fetched switches the check off. Take `onFailure` out, or the phase where it checks "
            "nobody."
        ],
    ),
    (
        "module for nobody",
        wasm(services=[]),
        [f"{MODULE}.services: it is empty. There has to be at least one. Add one."],
    ),
    (
        "module for a service that is not there",
        wasm(services=["exam/api", "exam/else"]),
        [
            f"{MODULE}.services[1]: there is no service `exam/else`. The module would run nowhere. Add it to "
            "`istio-mesh:services`, or name another one."
        ],
    ),
    (
        "module for a service without requests",
        wasm({"tcp": 1}),
        [
            f"{MODULE}.services[0]: `exam/api` has no HTTP port. The module is given requests, and proxies see none on "
            "its ports. Name an HTTP port of the service, or take it out."
        ],
    ),
    (
        "module twice for a service",
        wasm(services=["exam/api", "exam/api"]),
        [f"{MODULE}.services[1]: `exam/api` is named twice. One of them is a mistake. Name it once."],
    ),
]


@pytest.mark.parametrize(("changes", "faults"), [pytest.param(c, f, id=i) for i, c, f in CASES])
def test_a_fault_is_told_with_path_cause_consequence_and_cure(
    tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    assert faults_of(tmp_path, {**changes, "gateways": {}}) == faults


@pytest.mark.parametrize(("written", "count"), [("1Mi", 2**20), ("512Ki", 2**19), ("10M", 10**7), ("1k", 1000)])
def test_a_size_is_counted_in_bytes_and_kept_as_written(written: str, count: int) -> None:
    assert (ByteSize.parse(written).bytes, str(ByteSize.parse(written))) == (count, written)


@pytest.mark.parametrize("written", ["", "1", 1, "1MB", "-1Mi", "1.5Mi", "0Ki", "4Gi", None, True])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(InvalidValue):
        ByteSize.parse(written)


@pytest.mark.parametrize(
    ("written", "go"),
    [("100ms", "100ms"), ("10s", "10s"), ("1m", "60s"), ("1500ms", "1500ms"), ("1m30s", "90s"), ("1s500ms", "1500ms")],
)
def test_a_short_duration_is_written_as_go_reads_it(written: str, go: str) -> None:
    assert ShortDuration.parse(written).go == go


@pytest.mark.parametrize("written", ["", "0ms", "25h", "1d", 1, "500", "1ms1s", None])
def test_what_is_no_short_duration_is_refused(written: object) -> None:
    with pytest.raises(InvalidValue):
        ShortDuration.parse(written)
