"""What policies find in Kubernetes: one change to what all of them pass, and every message."""

import pytest

from tests.builders import ABSENT
from tests.policies.cases import Case, check
from tests.policies.compliant import GATEWAY, changed, mesh, object_
from tests.policies.support import release, secret, setting

CASES: list[Case] = [
    Case(
        "kubernetes-privileged",
        "privileged",
        lambda: [object_("Deployment", {"spec.template.spec.containers.0.securityContext.privileged": True})],
        [
            (
                "spec.template.spec.containers[0].securityContext.privileged: container `app` is privileged. "
                "Whoever gets into it is root on the node.\n"
                "Mend it: take `privileged` out, and name the one capability that is needed."
            ),
        ],
    ),
    Case(
        "kubernetes-privileged",
        "a capability",
        lambda: [
            object_("Deployment", {"spec.template.spec.containers.0.securityContext.capabilities.add": ["SYS_ADMIN"]})
        ],
        [
            (
                "spec.template.spec.containers[0].securityContext.capabilities.add[0]: container `app` gets "
                "SYS_ADMIN. That is enough to leave the container.\n"
                "Mend it: take it out of `capabilities.add`."
            ),
        ],
    ),
    Case(
        "kubernetes-privileged",
        "a container before",
        lambda: [
            object_(
                "CronJob",
                {
                    "spec.jobTemplate.spec.template.spec.initContainers": [
                        {"name": "i", "securityContext": {"privileged": True}}
                    ]
                },
            )
        ],
        [
            (
                "spec.jobTemplate.spec.template.spec.initContainers[0].securityContext.privileged: container `i` "
                "is privileged. Whoever gets into it is root on the node.\n"
                "Mend it: take `privileged` out, and name the one capability that is needed."
            ),
        ],
    ),
    Case(
        "kubernetes-host",
        "network",
        lambda: [object_("Deployment", {"spec.template.spec.hostNetwork": True})],
        [
            (
                "spec.template.spec.hostNetwork: the pods share their node's network. They see and reach what "
                "belongs to other pods, past every policy of the mesh.\n"
                "Mend it: take `hostNetwork` out."
            ),
        ],
    ),
    Case(
        "kubernetes-host",
        "a path",
        lambda: [
            object_("Deployment", {"spec.template.spec.volumes": [{"name": "docker", "hostPath": {"path": "/run"}}]})
        ],
        [
            (
                "spec.template.spec.volumes[0].hostPath: volume `docker` is a path of the node. Who writes there "
                "changes the node, and reads what other pods left.\n"
                "Mend it: take an emptyDir or a PersistentVolumeClaim."
            ),
        ],
    ),
    Case(
        "kubernetes-host",
        "a port",
        lambda: [
            object_("Deployment", {"spec.template.spec.containers.0.ports": [{"containerPort": 80, "hostPort": 80}]})
        ],
        [
            (
                "spec.template.spec.containers[0].ports[0].hostPort: container `app` takes port 80 of its node. It "
                "is reached past the Service, its policies and its sidecar.\n"
                "Mend it: take `hostPort` out, and make a Service."
            ),
        ],
    ),
    Case(
        "kubernetes-image-tag",
        "latest",
        lambda: [
            object_("Deployment", {"spec.template.spec.containers.0.image": "registry.example.com:5000/api:latest"})
        ],
        [
            (
                "spec.template.spec.containers[0].image: container `app` runs "
                "`registry.example.com:5000/api:latest`, tag `latest`. Nobody can tell what runs, and no rollback "
                "finds what ran before.\n"
                "Mend it: write the version's tag, or better its digest."
            ),
        ],
    ),
    Case(
        "kubernetes-image-tag",
        "none",
        lambda: [object_("Deployment", {"spec.template.spec.containers.0.image": "registry.example.com:5000/api"})],
        [
            (
                "spec.template.spec.containers[0].image: container `app` runs `registry.example.com:5000/api`, "
                "without a tag. Nobody can tell what runs, and no rollback finds what ran before.\n"
                "Mend it: write the version's tag, or better its digest."
            ),
        ],
    ),
    Case(
        "kubernetes-image-registry",
        "of another one",
        lambda: [object_("Deployment", {"spec.template.spec.containers.0.image": "nginx:1.29"})],
        [
            (
                "spec.template.spec.containers[0].image: container `app` runs `nginx:1.29`, which is from none of "
                "the allowed registries. It was neither scanned nor kept.\n"
                "Mend it: copy it to registry.example.com/exam, or add it to "
                "`istio-mesh:policies.parameters.registries`."
            ),
        ],
        setting(registries=["registry.example.com/exam"]),
    ),
    Case(
        "kubernetes-resources",
        "no limit",
        lambda: [object_("Deployment", {"spec.template.spec.containers.0.resources": {"requests": {"cpu": "1"}}})],
        [
            (
                "spec.template.spec.containers[0].resources: container `app` says no requests.memory, "
                "limits.memory. It is placed and scaled blindly, and its leak ends other pods of the node.\n"
                "Mend it: add `requests.memory`, `limits.memory`."
            ),
        ],
    ),
    Case(
        "kubernetes-plain-secret",
        "in a ConfigMap, by name",
        lambda: [object_("ConfigMap", {"data.db_password": "hunter2"})],
        [
            (
                "data.db_password: `db_password` holds a secret in plain text. Everybody who may read ConfigMaps "
                "of the namespace has it.\n"
                "Mend it: put it into a Secret, and take it for disclosed if it was deployed."
            ),
        ],
    ),
    Case(
        "kubernetes-plain-secret",
        "in a ConfigMap, by value",
        lambda: [object_("ConfigMap", {"data.key": "-----BEGIN EC PRIVATE KEY-----"})],
        [
            (
                "data.key: `key` holds a secret in plain text. Everybody who may read ConfigMaps of the namespace "
                "has it.\n"
                "Mend it: put it into a Secret, and take it for disclosed if it was deployed."
            ),
        ],
    ),
    Case(
        "kubernetes-plain-secret",
        "a secret of the stack",
        lambda: [object_("ConfigMap", {"data.level": secret("s3cret")})],
        [
            (
                "data.level: `level` holds a secret in plain text. Everybody who may read ConfigMaps of the "
                "namespace has it.\n"
                "Mend it: put it into a Secret, and take it for disclosed if it was deployed."
            ),
        ],
    ),
    Case(
        "kubernetes-plain-secret",
        "in the environment",
        lambda: [
            object_("Deployment", {"spec.template.spec.containers.0.env.0": {"name": "API_KEY", "value": "hunter2"}})
        ],
        [
            (
                "spec.template.spec.containers[0].env[0].value: variable `API_KEY` of container `app` holds a "
                "secret in plain text. Everybody who may look at the pod has it.\n"
                "Mend it: take it from a Secret, by `valueFrom.secretKeyRef`, and take it for disclosed if it was "
                "deployed."
            ),
        ],
    ),
    Case(
        "kubernetes-rbac-wildcard",
        "everything",
        lambda: [object_("Role", {"rules.0": {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}})],
        [
            (
                "rules[0]: the rule allows every verb on every resource. Who has the role reads all Secrets, and "
                "gives himself any other role.\n"
                "Mend it: name the verbs and resources that are needed."
            ),
        ],
    ),
    Case(
        "kubernetes-cluster-admin",
        "a default account",
        lambda: [
            object_("Binding", {"subjects.0": {"kind": "ServiceAccount", "name": "default", "namespace": "exam"}})
        ],
        [
            (
                "subjects[0]: `default` is made an administrator. So is every pod that names no account.\n"
                "Mend it: bind the role to an account of its own, or take a narrower role."
            ),
        ],
    ),
    Case(
        "kubernetes-cluster-admin",
        "everybody",
        lambda: [object_("Binding", {"subjects.0.name": "system:authenticated"})],
        [
            (
                "subjects[0]: `system:authenticated` is made an administrator. Every pod of the cluster may do "
                "everything.\n"
                "Mend it: bind the role to an account of its own, or take a narrower role."
            ),
        ],
    ),
    Case(
        "kubernetes-load-balancer",
        "no scheme",
        lambda: [object_("LoadBalancer", {"metadata.annotations": ABSENT})],
        [
            (
                "metadata.annotations: the load balancer does not say whether it is internal or public. The "
                "default differs by controller and cloud: what was meant for peers may be on the Internet.\n"
                "Mend it: add the annotation `service.beta.kubernetes.io/aws-load-balancer-scheme: internal`, or "
                "`internet-facing`."
            ),
        ],
    ),
    Case(
        "kubernetes-load-balancer",
        "public, other ports",
        lambda: [
            object_(
                "LoadBalancer",
                {
                    "metadata.annotations": {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"},
                    "spec.ports.0.port": 5432,
                    "spec.loadBalancerSourceRanges": ABSENT,
                },
            )
        ],
        [
            (
                "spec: the load balancer is public, and everybody may reach ports that are not for everybody. "
                "Whatever listens behind them is found by scanners within minutes.\n"
                "Mend it: list who may in `loadBalancerSourceRanges`."
            ),
        ],
    ),
    Case(
        "kubernetes-load-balancer",
        "of a Release",
        lambda: [release("gateway", {"service": {"type": "LoadBalancer"}})],
        [
            (
                "values.service.annotations: the load balancer does not say whether it is internal or public. The "
                "default differs by controller and cloud: what was meant for peers may be on the Internet.\n"
                "Mend it: add the annotation `service.beta.kubernetes.io/aws-load-balancer-scheme: internal`, or "
                "`internet-facing`."
            ),
        ],
    ),
    Case(
        "istio-east-west-open",
        "a Service",
        lambda: [object_("LoadBalancer", {"spec.loadBalancerSourceRanges": ["0.0.0.0/0"]})],
        [
            (
                "spec: the gateway between networks is open to 0.0.0.0/0. Its port 15443 leads to every service of "
                "the mesh by its name.\n"
                "Mend it: make it internal, or name the peers' ranges alone in `loadBalancerSourceRanges`."
            ),
        ],
    ),
    Case(
        "istio-east-west-open",
        "a Release",
        lambda: [
            release(
                "gateway",
                changed(
                    GATEWAY,
                    {
                        "service.annotations": {
                            "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing"
                        },
                        "service.loadBalancerSourceRanges": ABSENT,
                    },
                ),
            )
        ],
        [
            (
                "values.service: the gateway between networks is open to the world. Its port 15443 leads to every "
                "service of the mesh by its name.\n"
                "Mend it: make it internal, or name the peers' ranges alone in `loadBalancerSourceRanges`."
            ),
        ],
    ),
    Case(
        "kubernetes-port-protocol",
        "no name",
        lambda: mesh({"service": {"spec.ports.0.name": ABSENT}}),
        [
            (
                "spec.ports[0]: port 80 says no protocol. Where Istio takes it for TCP, routes, tokens and rules "
                "by path hold for nothing.\n"
                "Mend it: name it by its protocol, as in `http` or `grpc-api`, or set `appProtocol`."
            ),
        ],
    ),
    Case(
        "kubernetes-namespace-injection",
        "no label",
        lambda: mesh({"exam": {"metadata.labels": ABSENT}}),
        [
            (
                "metadata.labels: pods of `exam` get no sidecars. They speak plain text, and no policy of the mesh "
                "holds for them.\n"
                "Mend it: add the label `istio-injection: enabled`, or the name to "
                "`istio-mesh:policies.parameters.withoutInjection`."
            ),
        ],
    ),
    Case(
        "kubernetes-namespace-injection",
        "disabled",
        lambda: mesh({"exam": {"metadata.labels": {"istio-injection": "disabled"}}}),
        [
            (
                "metadata.labels: pods of `exam` get no sidecars. They speak plain text, and no policy of the mesh "
                "holds for them.\n"
                "Mend it: add the label `istio-injection: enabled`, or the name to "
                "`istio-mesh:policies.parameters.withoutInjection`."
            ),
        ],
    ),
    Case(
        "kubernetes-injection-conflict",
        "both labels",
        lambda: mesh({"exam": {"metadata.labels": {"istio-injection": "enabled", "istio.io/rev": "1-30"}}}),
        [
            (
                "metadata.labels: the label `istio-injection` stands beside the revision `1-30`. Istio takes the "
                "first and ignores the revision.\n"
                "Mend it: keep one of the two."
            ),
        ],
    ),
    Case(
        "kubernetes-remote-secret",
        "a program",
        lambda: [object_("RemoteSecret", {"stringData.usw2": "{users: [{user: {exec: {command: aws}}}]}"})],
        [
            (
                "stringData.usw2: the kubeconfig of `usw2` runs a program (`exec`). istiod refuses it, and sees "
                "nothing of that cluster.\n"
                "Mend it: write a token or certificates themselves into it."
            ),
        ],
    ),
    Case(
        "kubernetes-remote-secret",
        "any server",
        lambda: [
            object_("RemoteSecret", {"stringData.usw2": "{clusters: [{cluster: {insecure-skip-tls-verify: true}}]}"})
        ],
        [
            (
                "stringData.usw2: the kubeconfig of `usw2` takes any server for the cluster. Who is on the way "
                "gets the token, and tells istiod what endpoints there are.\n"
                "Mend it: give the cluster's CA as `certificate-authority-data`."
            ),
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_policy_finds(case: Case) -> None:
    check(case)
