"""What policies find in routes and DestinationRules: one change to what all of them pass, and every message."""

import pytest

from tests.builders import ABSENT
from tests.policies.cases import Case, check
from tests.policies.compliant import mesh

CASES: list[Case] = [
    Case(
        "istio-route-weights",
        "a sum of 110",
        lambda: mesh({"routes": {"spec.http.0.route.1.weight": 20}}),
        [
            (
                "spec.http[0].route: the weights add up to 110. Istio takes them for shares of their sum, and "
                "nobody sees what is meant.\n"
                "Mend it: make them add up to 100, each given."
            ),
        ],
    ),
    Case(
        "istio-route-weights",
        "one without",
        lambda: mesh({"routes": {"spec.http.0.route.1.weight": ABSENT}}),
        [
            (
                "spec.http[0].route: 1 of 2 destinations has no weight. Istio takes them for shares of their sum, "
                "and nobody sees what is meant.\n"
                "Mend it: make them add up to 100, each given."
            ),
        ],
    ),
    Case(
        "istio-retries-unsafe",
        "any method",
        lambda: mesh({"routes": {"spec.http.0.match": ABSENT}}),
        [
            (
                "spec.http[0].retries.retryOn: gateway-error, reset: requests are sent again that may have been "
                "done. What must not be done twice, such as a payment, is.\n"
                "Mend it: keep connect-failure, refused-stream, reset-before-request, or match methods that may be "
                "done twice."
            ),
        ],
    ),
    Case(
        "istio-retries-unsafe",
        "a method among others",
        lambda: mesh({"routes": {"spec.http.0.match.0.method": {"regex": "GET|POST"}}}),
        [
            (
                "spec.http[0].retries.retryOn: gateway-error, reset: requests are sent again that may have been "
                "done. What must not be done twice, such as a payment, is.\n"
                "Mend it: keep connect-failure, refused-stream, reset-before-request, or match methods that may be "
                "done twice."
            ),
        ],
    ),
    Case(
        "istio-route-shadowed",
        "a wider one first",
        lambda: mesh(
            {
                "public": {
                    "spec.http.0.match.0.uri.prefix": "/api/",
                    "spec.http.1.match": [{"uri": {"exact": "/api/v1"}}],
                }
            }
        ),
        [
            (
                "spec.http[1]: spec.http[0] takes all of its requests. It never sees one.\n"
                "Mend it: put the narrower one first, or take it out."
            ),
        ],
    ),
    Case(
        "istio-route-shadowed",
        "all of them first",
        lambda: mesh({"public": {"spec.http.0.match": ABSENT}}),
        [
            (
                "spec.http[1]: spec.http[0] takes all of its requests. It never sees one.\n"
                "Mend it: put the narrower one first, or take it out."
            ),
        ],
    ),
    Case(
        "istio-route-timeout",
        "none",
        lambda: mesh({"routes": {"spec.http.1.timeout": ABSENT}}),
        [
            (
                "spec.http[1]: there is no time-out. One server that hangs holds the connections of its callers "
                "until they hang as well.\n"
                "Mend it: set `timeout`, as in `15s`; for streams end the idle ones, by `stream_idle_timeout` in "
                "an EnvoyFilter for the service."
            ),
        ],
    ),
    Case(
        "istio-locality-conflict",
        "both",
        lambda: mesh(
            {
                "versions": {
                    "spec.trafficPolicy.loadBalancer.localityLbSetting.distribute": [
                        {"from": "us-east-1/*", "to": {"us-east-1/*": 100}}
                    ]
                }
            }
        ),
        [
            (
                "spec.trafficPolicy.loadBalancer.localityLbSetting: there is `distribute` with `failover`. Istio "
                "refuses it.\n"
                "Mend it: keep one of the two."
            ),
        ],
    ),
    Case(
        "istio-locality-outliers",
        "none beside it",
        lambda: mesh({"versions": {"spec.trafficPolicy.outlierDetection": ABSENT}}),
        [
            (
                "spec.trafficPolicy.loadBalancer.localityLbSetting: there is no outlier detection beside it. Istio "
                "does not see that endpoints are bad, and requests stay with them.\n"
                "Mend it: add `outlierDetection` with `maxEjectionPercent: 100`."
            ),
        ],
    ),
    Case(
        "istio-locality-outliers",
        "half",
        lambda: mesh({"versions": {"spec.trafficPolicy.outlierDetection.maxEjectionPercent": 50}}),
        [
            (
                "spec.trafficPolicy.outlierDetection: the outlier detection beside the regions ejects 50 % at "
                "most. The last bad endpoints of a region keep their requests, and nothing fails over.\n"
                "Mend it: set `maxEjectionPercent: 100`."
            ),
        ],
    ),
    Case(
        "istio-locality-outliers",
        "the default",
        lambda: mesh({"versions": {"spec.trafficPolicy.outlierDetection.maxEjectionPercent": ABSENT}}),
        [
            (
                "spec.trafficPolicy.outlierDetection: the outlier detection beside the regions ejects 10 % at "
                "most. The last bad endpoints of a region keep their requests, and nothing fails over.\n"
                "Mend it: set `maxEjectionPercent: 100`."
            ),
        ],
    ),
    Case(
        "istio-outliers-few",
        "the default",
        lambda: mesh({"versions": {"spec.trafficPolicy": {"outlierDetection": {"consecutive5xxErrors": 5}}}}),
        [
            (
                "spec.trafficPolicy.outlierDetection: at most 10 % of the endpoints are ejected. That is none of "
                "fewer than 10: Envoy rounds down.\n"
                "Mend it: set `maxEjectionPercent: 100`, or as many as the service can do without."
            ),
        ],
    ),
    Case(
        "istio-outliers-few",
        "of a version's port",
        lambda: mesh(
            {
                "versions": {
                    "spec.subsets.0.trafficPolicy.portLevelSettings": [
                        {"port": {"number": 80}, "outlierDetection": {"maxEjectionPercent": 20}}
                    ]
                }
            }
        ),
        [
            (
                "spec.subsets[0].trafficPolicy.portLevelSettings[0].outlierDetection: at most 20 % of the "
                "endpoints are ejected. That is none of fewer than 5: Envoy rounds down.\n"
                "Mend it: set `maxEjectionPercent: 100`, or as many as the service can do without."
            ),
        ],
    ),
    Case(
        "istio-outliers-misplaced",
        "in the pool",
        lambda: mesh(
            {
                "versions": {
                    "spec.trafficPolicy.connectionPool.http.consecutiveGatewayErrors": 5,
                    "spec.trafficPolicy.connectionPool.http.interval": "30s",
                }
            }
        ),
        [
            (
                "spec.trafficPolicy.connectionPool.http: consecutiveGatewayErrors, interval stand in the "
                "connection pool. There is no such field there: it is dropped or refused, and nothing is ejected.\n"
                "Mend it: move it into `outlierDetection`."
            ),
        ],
    ),
    Case(
        "istio-deprecated-fields",
        "LEAST_CONN",
        lambda: mesh({"versions": {"spec.trafficPolicy.loadBalancer.simple": "LEAST_CONN"}}),
        [
            (
                "spec.trafficPolicy.loadBalancer.simple: LEAST_CONN is gone. Istio takes it for LEAST_REQUEST.\n"
                "Mend it: write LEAST_REQUEST."
            ),
        ],
    ),
    Case(
        "istio-deprecated-fields",
        "consecutiveErrors",
        lambda: mesh({"versions": {"spec.trafficPolicy.outlierDetection.consecutiveErrors": 5}}),
        [
            (
                "spec.trafficPolicy.outlierDetection.consecutiveErrors: `consecutiveErrors` is gone. Nothing is "
                "ejected by it.\n"
                "Mend it: write `consecutive5xxErrors`."
            ),
        ],
    ),
    Case(
        "istio-deprecated-fields",
        "of a route",
        lambda: mesh({"routes": {"spec.http.0.mirror": {"host": "api-service"}}}),
        [
            (
                "spec.http[0].mirror: `mirror` is given up. One day Istio ignores it, or refuses it.\n"
                "Mend it: write `mirrors`, with a percentage each."
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_policy_finds(case: Case) -> None:
    check(case)
