"""What policies find in a whole stack: one change to what all of them pass, and every message."""

import pytest

from tests.builders import ABSENT
from tests.policies.cases import Case, check
from tests.policies.compliant import MESH, changed, mesh, roots

CASES: list[Case] = [
    Case(
        "stack-route-host",
        "no such host",
        lambda: mesh({"routes": {"spec.http.1.route.0.destination": {"host": "api-servce"}}}),
        [
            (
                "spec.http[1].route[0].destination.host: there is no host `api-servce.exam.svc.cluster.local`. "
                "Requests are answered 503.\n"
                "Mend it: correct the name (without a dot it is of the route's own namespace), add its Service or "
                "ServiceEntry, or name it in `istio-mesh:policies.parameters.servicesElsewhere`."
            ),
        ],
    ),
    Case(
        "stack-route-host",
        "a name with half of its domain",
        lambda: mesh({"routes": {"spec.http.1.route.0.destination": {"host": "api-service.exam"}}}),
        [
            (
                "spec.http[1].route[0].destination.host: there is no host `api-service.exam`. Requests are "
                "answered 503.\n"
                "Mend it: correct the name (without a dot it is of the route's own namespace), add its Service or "
                "ServiceEntry, or name it in `istio-mesh:policies.parameters.servicesElsewhere`."
            ),
        ],
    ),
    Case(
        "stack-route-host",
        "a mirror",
        lambda: mesh({"routes": {"spec.http.1.mirrors": [{"destination": {"host": "shadow"}}]}}),
        [
            (
                "spec.http[1].mirrors[0].destination.host: there is no host `shadow.exam.svc.cluster.local`. "
                "Requests are answered 503.\n"
                "Mend it: correct the name (without a dot it is of the route's own namespace), add its Service or "
                "ServiceEntry, or name it in `istio-mesh:policies.parameters.servicesElsewhere`."
            ),
        ],
    ),
    Case(
        "stack-route-subset",
        "no such version",
        lambda: mesh({"routes": {"spec.http.1.route.0.destination.subset": "v3"}}),
        [
            (
                "spec.http[1].route[0].destination.subset: no DestinationRule of "
                "`api-service.exam.svc.cluster.local` has a subset `v3`. Requests are answered 503.\n"
                "Mend it: define the subset with its pods' labels, or correct the name."
            ),
        ],
    ),
    Case(
        "stack-route-subset",
        "no rule at all",
        lambda: mesh({"versions": ABSENT}),
        [
            (
                "spec.http[0].route[0].destination.subset: `api-service.exam.svc.cluster.local` has no "
                "DestinationRule, and so no subset `v1`. Requests are answered 503.\n"
                "Mend it: define the subset with its pods' labels, or correct the name."
            ),
            (
                "spec.http[0].route[0].destination.subset: `api-service.exam.svc.cluster.local` has no "
                "DestinationRule, and so no subset `v1`. Requests are answered 503.\n"
                "Mend it: define the subset with its pods' labels, or correct the name."
            ),
            (
                "spec.http[0].route[1].destination.subset: `api-service.exam.svc.cluster.local` has no "
                "DestinationRule, and so no subset `v2`. Requests are answered 503.\n"
                "Mend it: define the subset with its pods' labels, or correct the name."
            ),
            (
                "spec.http[1].route[0].destination.subset: `api-service.exam.svc.cluster.local` has no "
                "DestinationRule, and so no subset `v1`. Requests are answered 503.\n"
                "Mend it: define the subset with its pods' labels, or correct the name."
            ),
        ],
    ),
    Case(
        "stack-route-gateway",
        "no such gateway",
        lambda: mesh({"public": {"spec.gateways": ["istio-ingress/ingress", "istio-ingress/admin"]}}),
        [
            (
                "spec.gateways: there is no Gateway `istio-ingress/admin`. The routes are nowhere, and requests "
                "are answered 404.\n"
                "Mend it: write `namespace/name` of one that exists, or name it in "
                "`istio-mesh:policies.parameters.gatewaysElsewhere`."
            ),
        ],
    ),
    Case(
        "stack-duplicate-destinationrule",
        "in the namespace",
        lambda: mesh(other=changed(MESH["versions"], {"metadata.name": "other"})),
        [
            (
                "spec.host: `api-service.exam.svc.cluster.local` has DestinationRule `exam/api-service` already. "
                "Istio takes the traffic policy of the older one, and the other is not there.\n"
                "Mend it: make one of the two."
            ),
        ],
    ),
    Case(
        "stack-duplicate-virtualservice",
        "for sidecars",
        lambda: mesh(other=changed(MESH["routes"], {"metadata.name": "other"})),
        [
            (
                "spec.hosts: `api-service.exam.svc.cluster.local` has VirtualService `exam/api-service` for "
                "sidecars already. Which routes hold is chance.\n"
                "Mend it: put the routes of both into one, in the order that is meant."
            ),
        ],
    ),
    Case(
        "stack-duplicate-virtualservice",
        "at a gateway",
        lambda: mesh(other=changed(MESH["public"], {"metadata.name": "other"})),
        [
            (
                "spec.hosts: `exam-platform.com` has VirtualService `istio-ingress/exam-platform.com` at "
                "`istio-ingress/ingress` already. Which routes hold is chance.\n"
                "Mend it: put the routes of both into one, in the order that is meant."
            ),
        ],
    ),
    Case(
        "stack-default-deny",
        "none",
        lambda: mesh({"deny": ABSENT}),
        [
            (
                "namespace `exam` has no default deny. A workload without a policy of its own is open to every "
                "other one.\n"
                "Mend it: add an AuthorizationPolicy with an empty `spec` to it."
            ),
        ],
    ),
    Case(
        "stack-default-deny",
        "of one workload",
        lambda: mesh({"deny": {"spec": {"selector": {"matchLabels": {"app": "web"}}}}}),
        [
            (
                "namespace `exam` has no default deny. A workload without a policy of its own is open to every "
                "other one.\n"
                "Mend it: add an AuthorizationPolicy with an empty `spec` to it."
            ),
        ],
    ),
    Case(
        "stack-service-unprotected",
        "none",
        lambda: mesh({"deny": ABSENT, "callers": ABSENT}),
        [
            (
                "spec.http[0].route[0].destination.host: a gateway leads to `api-service.exam.svc.cluster.local`, "
                "and no AuthorizationPolicy holds for it. Everybody may ask anything of it.\n"
                "Mend it: add one to namespace `exam` that says who may, and a default deny."
            ),
        ],
    ),
    Case(
        "stack-jwt-optional",
        "not asked for",
        lambda: mesh({"callers": {"spec.rules.0.from.0.source": {"principals": ["*"]}}}),
        [
            (
                "spec.jwtRules: no AuthorizationPolicy asks for the token. Requests without one pass: only wrong "
                "ones are refused.\n"
                "Mend it: add one for the same workload with `source.requestPrincipals`, or a DENY with "
                '`notRequestPrincipals: ["*"]`.'
            ),
        ],
    ),
    Case(
        "stack-jwt-unverified",
        "another workload",
        lambda: mesh({"tokens": {"spec.selector.matchLabels": {"app": "web"}}}),
        [
            (
                "spec.rules[0]: it asks for a token, and no RequestAuthentication verifies one for these pods. No "
                "request has a principal, and the rule lets nobody in.\n"
                "Mend it: add a RequestAuthentication with the same selector, or correct the selector."
            ),
        ],
    ),
    Case(
        "stack-mesh-strict",
        "nothing said",
        lambda: mesh({"strict": ABSENT}),
        [
            (
                "the mesh takes plain text. PERMISSIVE is Istio's default for every workload that says nothing "
                "else.\n"
                "Mend it: add a PeerAuthentication `default` with mode STRICT to `istio-system`."
            ),
        ],
    ),
    Case(
        "stack-remote-secrets",
        "none",
        lambda: mesh({"remote": ABSENT}),
        [
            (
                "there is no remote secret of `usw2`. istiod does not see that cluster's endpoints: nothing fails "
                "over to it.\n"
                "Mend it: add a Secret `istio-remote-secret-usw2` with the label `istio/multiCluster: true` and "
                "the key `usw2`."
            ),
        ],
    ),
    Case(
        "stack-remote-secrets",
        "under another name",
        lambda: mesh({"remote": {"stringData": {"us-west-2": "{}"}}}),
        [
            (
                "there is no remote secret of `usw2`. istiod does not see that cluster's endpoints: nothing fails "
                "over to it.\n"
                "Mend it: add a Secret `istio-remote-secret-usw2` with the label `istio/multiCluster: true` and "
                "the key `usw2`."
            ),
        ],
    ),
    Case(
        "stack-trust-domain",
        "another",
        lambda: mesh({"peer": {"meshConfig.trustDomain": ABSENT}}),
        [
            (
                "values.meshConfig.trustDomain: the trust domain is `cluster.local`, and `exam-platform.local` in "
                "another cluster. Rules by principal refuse every caller from the other cluster.\n"
                "Mend it: set the same `meshConfig.trustDomain` in all of them."
            ),
        ],
    ),
    Case(
        "stack-mesh-id",
        "another",
        lambda: mesh({"peer": {"global.meshID": "mesh2"}}),
        [
            (
                "values.global.meshID: the mesh id is `mesh2`, and `exam` in another cluster. Telemetry and trust "
                "take the clusters for two meshes.\n"
                "Mend it: set the same `global.meshID` in all of them."
            ),
        ],
    ),
    Case(
        "stack-mesh-id",
        "none",
        lambda: mesh({"peer": {"global.meshID": ABSENT}}),
        [
            (
                "values.global.meshID: there is no mesh id beside `exam`. Telemetry and trust take the clusters "
                "for two meshes.\n"
                "Mend it: set the same `global.meshID` in all of them."
            ),
        ],
    ),
    Case(
        "stack-version-skew",
        "two minors",
        lambda: mesh({"peer": {"global.tag": "1.29.1"}}),
        [
            (
                "Istio 1.29 stands beside 1.31. Nobody has tested them together, and they disagree on what proxies "
                "are told.\n"
                "Mend it: upgrade it to 1.30 first."
            ),
        ],
    ),
    Case(
        "stack-roots",
        "none in common",
        lambda: mesh({"cacerts": {"data": {"root-cert.pem": roots("Other")}}}),
        [
            (
                "data.root-cert.pem: its roots have none in common with those of another cluster. No workload "
                "takes the certificate of one of the other cluster.\n"
                "Mend it: sign all intermediates by one root, and put that into `root-cert.pem` of each."
            ),
        ],
    ),
    Case(
        "stack-roots",
        "no cacerts",
        lambda: mesh({"cacerts": ABSENT}),
        [
            (
                "there is no Secret `cacerts` in `istio-system`. istiod makes a root of its own, which no other "
                "cluster knows.\n"
                "Mend it: add one whose intermediate the shared root has signed."
            ),
        ],
    ),
    Case(
        "stack-revision",
        "no such revision",
        lambda: mesh({"exam": {"metadata.labels": {"istio.io/rev": "1-30"}}}),
        [
            (
                "metadata.labels: no control plane of the cluster has the revision or tag `1-30`. Pods come up "
                "without a sidecar, and outside of every policy.\n"
                "Mend it: take one of `1-31`, `default`, or make the tag (`istioctl tag set`)."
            ),
        ],
    ),
    Case(
        "stack-revision",
        "another tag, which is an object of its own",
        lambda: mesh(
            {
                "istiod": {"revisionTags": ABSENT},
                "exam": {"metadata.labels": {"istio.io/rev": "canary"}},
            },
            tag={
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": "MutatingWebhookConfiguration",
                "metadata": {
                    "name": "istio-revision-tag-next",
                    "labels": {"istio.io/tag": "next", "istio.io/rev": "1-31"},
                },
            },
        ),
        [
            (
                "metadata.labels: no control plane of the cluster has the revision or tag `canary`. Pods come up "
                "without a sidecar, and outside of every policy.\n"
                "Mend it: take one of `1-31`, `next`, or make the tag (`istioctl tag set`)."
            ),
        ],
    ),
    Case(
        "stack-revision",
        "no default tag",
        lambda: mesh({"istiod": {"revisionTags": ABSENT}}),
        [
            (
                "metadata.labels: no control plane of the cluster has the revision or tag `default`. Pods come up "
                "without a sidecar, and outside of every policy.\n"
                "Mend it: take one of `1-31`, or make the tag (`istioctl tag set`)."
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_policy_finds(case: Case) -> None:
    check(case)
