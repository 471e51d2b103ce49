"""What policies find in what proxies and istiod are told: one change to what all of them pass, and every message."""

from typing import Any

import pytest

from tests.builders import ABSENT
from tests.policies.cases import Case, check
from tests.policies.compliant import mesh, object_
from tests.policies.support import manifest, release, setting

OPERATOR: dict[str, Any] = {
    "apiVersion": "install.istio.io/v1alpha1",
    "kind": "IstioOperator",
    "metadata": {"name": "control-plane"},
    "spec": {},
}

CASES: list[Case] = [
    Case(
        "istio-telemetry-cel",
        "no CEL",
        lambda: [object_("Telemetry", {"spec.metrics.0.overrides.0.tagOverrides.session.value": "a ? "})],
        [
            (
                "spec.metrics[0].overrides[0].tagOverrides.session.value: tag `session` is not CEL. Envoy cannot "
                "evaluate it, and Istio does not say so.\n"
                "Mend it: write it as in `'user-type' in request.headers ? request.headers['user-type'] : "
                "'anonymous'`."
            ),
        ],
    ),
    Case(
        "istio-telemetry-cel",
        "has of an index",
        lambda: [object_("Telemetry", {"spec.accessLogging.0.filter.expression": "has(request.headers['user-type'])"})],
        [
            (
                "spec.accessLogging[0].filter.expression: the filter asks `has(request.headers['user-type'])`, and "
                "`has` takes a field, not an index. Envoy refuses the expression, and Istio does not say so.\n"
                "Mend it: write `'user-type' in request.headers`."
            ),
        ],
    ),
    Case(
        "istio-telemetry-cardinality",
        "a raw header",
        lambda: [
            object_(
                "Telemetry", {"spec.metrics.0.overrides.0.tagOverrides.session.value": "request.headers['session']"}
            )
        ],
        [
            (
                "spec.metrics[0].overrides[0].tagOverrides.session.value: label `session` is "
                "request.headers['session'] as it comes. Every new value is a new time series in every proxy and "
                "in Prometheus.\n"
                "Mend it: tell only whether it is there, or the values that are known and `other` for the rest."
            ),
        ],
    ),
    Case(
        "istio-telemetry-provider",
        "tags apart",
        lambda: [object_("Telemetry", {"spec.metrics.1": {"overrides": [{"tagOverrides": {"a": {"value": "'b'"}}}]}})],
        [
            (
                "spec.metrics[1]: `overrides` stands in an entry without `providers`, beside one that has them. It "
                "does not hold for the provider that the other entry names.\n"
                "Mend it: make one entry of the two."
            ),
        ],
    ),
    Case(
        "istio-telemetry-provider",
        "span tags apart",
        lambda: [object_("Telemetry", {"spec.tracing.1": {"customTags": {"a": {"header": {"name": "a"}}}}})],
        [
            (
                "spec.tracing[1]: `customTags` stands in an entry without `providers`, beside one that has them. "
                "It does not hold for the provider that the other entry names.\n"
                "Mend it: make one entry of the two."
            ),
        ],
    ),
    Case(
        "istio-tracing-sampling",
        "everything",
        lambda: [object_("Telemetry", {"spec.tracing.0.randomSamplingPercentage": 100})],
        [
            (
                "spec.tracing[0].randomSamplingPercentage: 100 % of the requests are traced. Every span costs "
                "proxies time and collectors room.\n"
                "Mend it: trace 10 % at most, or raise `istio-mesh:policies.parameters.maxSampling`."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "istio-tracing-sampling",
        "of the mesh",
        lambda: mesh({"istiod": {"meshConfig.defaultConfig": {"tracing": {"sampling": 50}}}}),
        [
            (
                "values.meshConfig.defaultConfig.tracing.sampling: 50 % of the requests are traced. Every span "
                "costs proxies time and collectors room.\n"
                "Mend it: trace 10 % at most, or raise `istio-mesh:policies.parameters.maxSampling`."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "istio-access-logs",
        "no filter",
        lambda: [object_("Telemetry", {"spec.accessLogging.0.filter": ABSENT})],
        [
            (
                "spec.accessLogging[0]: every proxy writes a line for each request. It is what costs most at load.\n"
                "Mend it: log what failed or was slow, by `filter.expression` of a Telemetry, as in `response.code "
                ">= 500`."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "istio-access-logs",
        "of the mesh",
        lambda: mesh({"istiod": {"meshConfig.accessLogFile": "/dev/stdout"}}),
        [
            (
                "values.meshConfig.accessLogFile: every proxy writes a line for each request. It is what costs "
                "most at load.\n"
                "Mend it: set `accessLogFile` to the empty text, and log what failed or was slow, by "
                "`filter.expression` of a Telemetry, as in `response.code >= 500`."
            ),
        ],
        setting(production=True),
    ),
    Case(
        "istio-envoyfilter-deprecated",
        "an old struct",
        lambda: [
            object_(
                "EnvoyFilter",
                {
                    "spec.configPatches.0.patch.value.typed_config": {
                        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct"
                    }
                },
            )
        ],
        [
            (
                "spec.configPatches[0].patch.value.typed_config.@type: type `udpa.type.v1.TypedStruct` is gone. "
                "Proxies refuse the listener, keep the one before, and new pods are never ready.\n"
                "Mend it: write the filter's own type as `@type`, or `xds.type.v3.TypedStruct`."
            ),
        ],
    ),
    Case(
        "istio-envoyfilter-deprecated",
        "API v2",
        lambda: [
            object_(
                "EnvoyFilter",
                {
                    "spec.configPatches.0.patch.value.typed_config": {
                        "@type": "type.googleapis.com/envoy.config.filter.http.lua.v2.Lua"
                    }
                },
            )
        ],
        [
            (
                "spec.configPatches[0].patch.value.typed_config.@type: type `envoy.config.filter.http.lua.v2.Lua` "
                "of API v2 is gone. Proxies refuse the listener, keep the one before, and new pods are never ready.\n"
                "Mend it: write the type of v3."
            ),
        ],
    ),
    Case(
        "istio-envoyfilter-deprecated",
        "an old name, without a type",
        lambda: [
            object_("EnvoyFilter", {"spec.configPatches.0.patch.value": {"name": "envoy.lua", "config": {"code": "x"}}})
        ],
        [
            (
                "spec.configPatches[0].patch.value.name: the name `envoy.lua` is gone. Proxies refuse the "
                "listener, keep the one before, and new pods are never ready.\n"
                "Mend it: write `envoy.filters.http.lua`."
            ),
            (
                "spec.configPatches[0].patch.value.config: `config` without a type is gone. Proxies refuse the "
                "listener, keep the one before, and new pods are never ready.\n"
                "Mend it: write `typed_config` with its `@type`."
            ),
        ],
    ),
    Case(
        "istio-envoyfilter-deprecated",
        "an old field",
        lambda: [
            object_(
                "EnvoyFilter", {"spec.configPatches.0.patch.value.typed_config.response_headers_to_add.0.append": False}
            )
        ],
        [
            (
                "spec.configPatches[0].patch.value.typed_config.response_headers_to_add[0].append: `append` is "
                "gone. Proxies refuse the listener, keep the one before, and new pods are never ready.\n"
                "Mend it: write `append_action`."
            ),
        ],
    ),
    Case(
        "istio-rate-limit-enforced",
        "neither share",
        lambda: [
            object_(
                "EnvoyFilter",
                {
                    "spec.configPatches.0.patch.value.typed_config.filter_enabled": ABSENT,
                    "spec.configPatches.0.patch.value.typed_config.filter_enforced": ABSENT,
                },
            )
        ],
        [
            (
                "spec.configPatches[0].patch.value.typed_config: the limit has no filter_enabled and no "
                "filter_enforced. Both are 0 % by default: everything is let through.\n"
                "Mend it: add `filter_enabled` and `filter_enforced` with `default_value: {numerator: 100, "
                "denominator: HUNDRED}`."
            ),
        ],
    ),
    Case(
        "istio-wasm-pinned",
        "no sum",
        lambda: [object_("WasmPlugin", {"spec.sha256": ABSENT})],
        [
            (
                "spec.sha256: the module `oci://registry.example.com/integrity:1.0` is not pinned by a sum. Who "
                "may write there runs code of his own in the proxies.\n"
                "Mend it: add `sha256`, or name the image by its digest."
            ),
        ],
    ),
    Case(
        "istio-wasm-fail-open",
        "open",
        lambda: [object_("WasmPlugin", {"spec.failStrategy": "FAIL_OPEN"})],
        [
            (
                "spec.failStrategy: the module decides who is let in (AUTHN), and lets everybody in where it "
                "fails. Who makes it fail is let in.\n"
                "Mend it: write FAIL_CLOSE."
            ),
        ],
    ),
    Case(
        "istio-api-version",
        "beta",
        lambda: mesh({"routes": {"apiVersion": "networking.istio.io/v1beta1"}}),
        [
            (
                "apiVersion: `networking.istio.io/v1beta1` is an old version of VirtualService. It is taken out "
                "one day, and nothing can be changed then.\n"
                "Mend it: write `networking.istio.io/v1`."
            ),
        ],
    ),
    Case(
        "istio-operator-gone",
        "an operator",
        lambda: [manifest(OPERATOR)],
        [
            (
                "kind: there is no operator any more. Nothing reads the object, and no istiod comes of it.\n"
                "Mend it: install Istio's charts base, istiod and gateway by Helm."
            ),
        ],
    ),
    Case(
        "istio-version-supported",
        "ended",
        lambda: mesh({"istiod": {"global.tag": "1.29.4"}}),
        [
            (
                "values.global.tag: Istio 1.29 had its end of life on 2026-08-31. Holes that are found in it stay "
                "open.\n"
                "Mend it: take 1.31.0, one minor after the other."
            ),
        ],
    ),
    Case(
        "istio-version-supported",
        "long ago",
        lambda: mesh({"istiod": {"global.tag": "1.20.0"}}),
        [
            (
                "values.global.tag: Istio 1.20.0 is not among the versions that are known here. It has had no "
                "fixes for a long time.\n"
                "Mend it: take 1.31.0, one minor after the other."
            ),
        ],
    ),
    Case(
        "istio-version-supported",
        "newer",
        lambda: mesh({"istiod": {"global.tag": "1.32.0"}}),
        [
            (
                "values.global.tag: Istio 1.32.0 is not among the versions that are known here. Whether it is "
                "supported cannot be told.\n"
                "Mend it: update the pack's table."
            ),
        ],
    ),
    Case(
        "istio-version-pinned",
        "latest, of tests",
        lambda: mesh({"istiod": {"global.tag": "latest", "global.hub": "gcr.io/istio-testing"}}),
        [
            (
                "values.global.tag: the images' tag is `latest`. Nobody can tell what runs.\n"
                "Mend it: set it as in `1.31.0`."
            ),
            (
                "values.global.hub: the images come from `gcr.io/istio-testing`. They are builds for tests, and "
                "are deleted after a while.\n"
                "Mend it: set `global.hub: docker.io/istio`, or a mirror of it."
            ),
        ],
    ),
    Case(
        "istio-version-pinned",
        "no version",
        lambda: [release("base", {}, path="oci://registry.example.com/charts/base")],
        [
            (
                "version: the chart `oci://registry.example.com/charts/base` has no version. The next `up` "
                "installs whatever is the newest then.\n"
                "Mend it: set `version`, as in `1.31.0`."
            ),
        ],
    ),
    Case(
        "istio-unknown-fields",
        "near to one",
        lambda: [object_("WasmPlugin", {"spec.failStrategie": "FAIL_OPEN"})],
        [
            (
                "spec.failStrategie: WasmPlugin has no field `failStrategie`. The API server drops it, and what it "
                "was to say is not said.\n"
                "Mend it: did you mean `failStrategy`? Otherwise take it out."
            ),
        ],
    ),
    Case(
        "istio-unknown-fields",
        "near to none",
        lambda: mesh({"gateway": {"spec.xyz": 1}}),
        [
            (
                "spec.xyz: Gateway has no field `xyz`. The API server drops it, and what it was to say is not said.\n"
                "Mend it: take it out."
            ),
        ],
    ),
    Case(
        "istio-istiod-environment",
        "an unknown name",
        lambda: mesh({"istiod": {"env.PILOT_PUSH_THROTLE": "100"}}),
        [
            (
                "values.env.PILOT_PUSH_THROTLE: istiod reads no `PILOT_PUSH_THROTLE`. It is ignored, and what it "
                "was to change is not changed.\n"
                "Mend it: did you mean `PILOT_PUSH_THROTTLE`? Otherwise take it out."
            ),
        ],
    ),
    Case(
        "istio-istiod-environment",
        "below pilot",
        lambda: mesh({"istiod": {"pilot": {"env": {"AUTO_RELOAD_PLUGIN_CERTS": "true"}}}}),
        [
            (
                "values.pilot.env.AUTO_RELOAD_PLUGIN_CERTS: istiod reads no `AUTO_RELOAD_PLUGIN_CERTS`. It is "
                "ignored, and what it was to change is not changed.\n"
                "Mend it: take it out."
            ),
        ],
    ),
    Case(
        "istio-istiod-environment",
        "of a Deployment",
        lambda: [object_("Deployment", {"spec.template.spec.containers.0.name": "discovery"})],
        [
            (
                "spec.template.spec.containers[0].env[0].value: istiod reads no `LOG_LEVEL`. It is ignored, and "
                "what it was to change is not changed.\n"
                "Mend it: take it out."
            ),
            (
                "spec.template.spec.containers[0].env[1].value: istiod reads no `TOKEN_TTL`. It is ignored, and "
                "what it was to change is not changed.\n"
                "Mend it: take it out."
            ),
        ],
    ),
    Case(
        "istio-trust-domain-check",
        "off",
        lambda: mesh({"istiod": {"env.PILOT_SKIP_VALIDATE_TRUST_DOMAIN": "true"}}),
        [
            (
                "values.env.PILOT_SKIP_VALIDATE_TRUST_DOMAIN: PILOT_SKIP_VALIDATE_TRUST_DOMAIN switches the check "
                "off. Proxies take peers of any trust domain that the root has signed for.\n"
                "Mend it: take it out; trust other domains by `meshConfig.trustDomainAliases`."
            ),
        ],
    ),
    Case(
        "istio-path-normalization",
        "none",
        lambda: mesh({"istiod": {"meshConfig.pathNormalization": ABSENT}}),
        [
            (
                "values.meshConfig.pathNormalization.normalization: paths keep double slashes. `//admin` passes a "
                "rule for `/admin`, and is the same to the application.\n"
                "Mend it: set `meshConfig.pathNormalization.normalization: DECODE_AND_MERGE_SLASHES`."
            ),
        ],
    ),
    Case(
        "istio-path-normalization",
        "too little",
        lambda: mesh({"istiod": {"meshConfig.pathNormalization.normalization": "BASE"}}),
        [
            (
                "values.meshConfig.pathNormalization.normalization: paths are normalised by `BASE`. `//admin` "
                "passes a rule for `/admin`, and is the same to the application.\n"
                "Mend it: set `meshConfig.pathNormalization.normalization: DECODE_AND_MERGE_SLASHES`."
            ),
        ],
    ),
    Case(
        "istio-egress-open",
        "any host",
        lambda: mesh({"istiod": {"meshConfig.outboundTrafficPolicy": ABSENT}}),
        [
            (
                "values.meshConfig.outboundTrafficPolicy.mode: workloads may call any host outside the mesh. A "
                "stolen pod sends what it finds anywhere.\n"
                "Mend it: declare what is called as ServiceEntries, then set "
                "`meshConfig.outboundTrafficPolicy.mode: REGISTRY_ONLY`."
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_policy_finds(case: Case) -> None:
    check(case)
