"""Resources that every policy passes: what each test changes one thing of."""

import base64
import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from policies.resources import Resource
from tests.builders import ABSENT, Yaml, authority, put
from tests.policies.support import CLUSTER, PEER, manifest, release, resource

AWS: Mapping[str, Yaml] = yaml.safe_load("""
aws:eks/cluster:Cluster:
  version: "1.35"
  tags: &tags {owner: platform, environment: staging, costCentre: "4711"}
  accessConfig: {authenticationMode: API}
  deletionProtection: true
  enabledClusterLogTypes: [api, audit, authenticator, controllerManager, scheduler]
  encryptionConfig: {resources: [secrets], provider: {keyArn: "arn:aws:kms:us-east-1:111122223333:key/1"}}
  vpcConfig: {endpointPrivateAccess: true, endpointPublicAccess: true, publicAccessCidrs: [192.0.2.0/24]}
aws:eks/nodeGroup:NodeGroup:
  tags: *tags
  remoteAccess: {ec2SshKey: ops, sourceSecurityGroupIds: [sg-1]}
aws:lb/loadBalancer:LoadBalancer: {enableDeletionProtection: true, tags: *tags}
aws:ebs/volume:Volume: {encrypted: true, tags: *tags}
aws:ec2/launchTemplate:LaunchTemplate:
  tags: *tags
  metadataOptions: {httpTokens: required, httpPutResponseHopLimit: 1}
  blockDeviceMappings: [{deviceName: /dev/xvda, ebs: {encrypted: "true"}}]
aws:ec2/instance:Instance:
  tags: *tags
  metadataOptions: {httpTokens: required}
  rootBlockDevice: {encrypted: true}
aws:cloudwatch/logGroup:LogGroup: {retentionInDays: 90, kmsKeyId: arn, tags: *tags}
aws:kms/key:Key: {enableKeyRotation: true, tags: *tags}
aws:iam/rolePolicy:RolePolicy:
  policy: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: ["ec2:Describe*"], Resource: "*"}]}
aws:iam/role:Role:
  tags: *tags
  assumeRolePolicy: {Statement: {Effect: Allow, Principal: {Service: eks.amazonaws.com}, Action: "sts:AssumeRole"}}
aws:ec2/securityGroup:SecurityGroup:
  tags: *tags
  ingress:
    - {fromPort: 443, toPort: 443, protocol: tcp, cidrBlocks: [0.0.0.0/0]}
    - {fromPort: 15443, toPort: 15443, protocol: tcp, cidrBlocks: [10.1.0.0/16]}
aws:ec2/securityGroupRule:SecurityGroupRule:
  {type: ingress, fromPort: 15443, toPort: 15443, protocol: tcp, cidrBlocks: [10.1.0.0/16]}
aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule:
  {fromPort: 15443, toPort: 15443, ipProtocol: tcp, cidrIpv4: 10.1.0.0/16}
""")
"""Inputs by type token."""

OBJECTS: Mapping[str, Yaml] = yaml.safe_load("""
Deployment:
  apiVersion: apps/v1
  kind: Deployment
  metadata: {name: api-service, namespace: exam}
  spec:
    template:
      spec:
        containers:
          - name: app
            image: registry.example.com/exam/api:1.4.2
            env: [{name: LOG_LEVEL, value: info}, {name: TOKEN_TTL, value: 5m}]
            resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
            securityContext: {capabilities: {drop: [ALL]}}
CronJob:
  apiVersion: batch/v1
  kind: CronJob
  metadata: {name: report, namespace: exam}
  spec:
    jobTemplate:
      spec:
        template:
          spec:
            containers:
              - name: report
                image: registry.example.com/exam/report@sha256:0a1b2c
                resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 128Mi}}
ConfigMap:
  apiVersion: v1
  kind: ConfigMap
  metadata: {name: settings, namespace: exam}
  data: {level: info, token_ttl: 5m}
Role:
  apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: reader}
  rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]
Binding:
  apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: admins}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
  subjects: [{kind: Group, name: platform-admins}]
LoadBalancer:
  apiVersion: v1
  kind: Service
  metadata:
    name: own-gateway
    namespace: exam
    annotations: {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}
  spec:
    type: LoadBalancer
    ports: [{name: tls, port: 15443, protocol: TCP}]
    loadBalancerSourceRanges: [10.1.0.0/16]
RemoteSecret:
  apiVersion: v1
  kind: Secret
  metadata: {name: istio-remote-secret-usw2, namespace: istio-system, labels: {istio/multiCluster: "true"}}
  stringData:
    usw2: "{clusters: [{cluster: {server: 'https://usw2'}}], users: [{user: {token: t}}]}"
EnvoyFilter:
  apiVersion: networking.istio.io/v1alpha3
  kind: EnvoyFilter
  metadata: {name: api-service.rate-limit, namespace: exam}
  spec:
    workloadSelector: {labels: {app: api-service}}
    configPatches:
      - applyTo: HTTP_FILTER
        match: {context: SIDECAR_INBOUND}
        patch:
          operation: INSERT_BEFORE
          value:
            name: envoy.filters.http.local_ratelimit
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limit
              token_bucket: {max_tokens: 100, tokens_per_fill: 100, fill_interval: 60s}
              filter_enabled: {default_value: {numerator: 100, denominator: HUNDRED}}
              filter_enforced: {default_value: {numerator: 100, denominator: HUNDRED}}
              response_headers_to_add: [{header: {key: x-limited, value: "true"}, append_action: ADD_IF_ABSENT}]
WasmPlugin:
  apiVersion: extensions.istio.io/v1alpha1
  kind: WasmPlugin
  metadata: {name: integrity, namespace: exam}
  spec:
    url: oci://registry.example.com/integrity:1.0
    sha256: b1f9b0d8e63423bdc40426aa1f4a16649c51c8f0137c79bbd46c433e7fad590a
    phase: AUTHN
    failStrategy: FAIL_CLOSE
Telemetry:
  apiVersion: telemetry.istio.io/v1
  kind: Telemetry
  metadata: {name: mesh, namespace: istio-system}
  spec:
    metrics:
      - providers: [{name: prometheus}]
        overrides:
          - match: {metric: ALL_METRICS}
            tagOverrides:
              request_protocol: {operation: UPSERT, value: "has(request.protocol) ? request.protocol : 'none'"}
              session: {value: "'session' in request.headers ? 'present' : 'absent'"}
              user_type:
                value: "request.headers['user-type'] in ['a', 'b'] ? request.headers['user-type'] : 'other'"
              destination_version: {operation: REMOVE}
    tracing: [{providers: [{name: tracing}], randomSamplingPercentage: 1}]
    accessLogging: [{providers: [{name: envoy}], filter: {expression: response.code >= 500}}]
""")
"""Objects of Kubernetes, each good by itself."""

MESH: Mapping[str, Yaml] = yaml.safe_load("""
exam:
  apiVersion: v1
  kind: Namespace
  metadata: {name: exam, labels: {istio-injection: enabled}}
strict:
  apiVersion: security.istio.io/v1
  kind: PeerAuthentication
  metadata: {name: default, namespace: istio-system}
  spec: {mtls: {mode: STRICT}}
deny:
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: default-deny, namespace: exam}
  spec: {}
callers:
  apiVersion: security.istio.io/v1
  kind: AuthorizationPolicy
  metadata: {name: api-service, namespace: exam}
  spec:
    selector: {matchLabels: {app: api-service}}
    rules:
      - from: [{source: {principals: [exam-platform.local/ns/exam/sa/web], requestPrincipals: ["*"]}}]
      - to: [{operation: {paths: [/health]}}]
tokens:
  apiVersion: security.istio.io/v1
  kind: RequestAuthentication
  metadata: {name: api-service, namespace: exam}
  spec:
    selector: {matchLabels: {app: api-service}}
    jwtRules:
      - issuer: https://auth.exam-platform.com
        jwksUri: https://auth.exam-platform.com/.well-known/jwks.json
        audiences: [exam-platform-api]
service:
  apiVersion: v1
  kind: Service
  metadata: {name: api-service, namespace: exam}
  spec: {selector: {app: api-service}, ports: [{name: http, port: 80}]}
gateway:
  apiVersion: networking.istio.io/v1
  kind: Gateway
  metadata: {name: ingress, namespace: istio-ingress}
  spec:
    selector: {istio: ingress}
    servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        tls: {mode: SIMPLE, credentialName: tls, minProtocolVersion: TLSV1_2}
        hosts: [exam-platform.com]
      - port: {number: 80, name: http, protocol: HTTP}
        tls: {httpsRedirect: true}
        hosts: [exam-platform.com]
between:
  apiVersion: networking.istio.io/v1
  kind: Gateway
  metadata: {name: cross-network, namespace: istio-system}
  spec:
    selector: {istio: eastwestgateway}
    servers:
      - {port: {number: 15443, name: tls, protocol: TLS}, tls: {mode: AUTO_PASSTHROUGH}, hosts: ["*.local"]}
public:
  apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: exam-platform.com, namespace: istio-ingress}
  spec:
    hosts: [exam-platform.com]
    gateways: [istio-ingress/ingress]
    exportTo: ["."]
    http:
      - match: [{uri: {prefix: /api/v1/}}]
        route: [{destination: {host: api-service.exam.svc.cluster.local, subset: v1}}]
        timeout: 15s
      - route: [{destination: {host: api-service.exam.svc.cluster.local}}]
        timeout: 15s
routes:
  apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: api-service, namespace: exam}
  spec:
    hosts: [api-service]
    http:
      - match: [{method: {exact: GET}}]
        route:
          - {destination: {host: api-service, subset: v1}, weight: 90}
          - {destination: {host: api-service, subset: v2}, weight: 10}
        timeout: 15s
        retries: {attempts: 2, retryOn: "gateway-error,reset"}
      - route: [{destination: {host: api-service, subset: v1}}]
        timeout: 15s
        retries: {attempts: 2, retryOn: "connect-failure,refused-stream"}
versions:
  apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: api-service, namespace: exam}
  spec:
    host: api-service
    trafficPolicy:
      connectionPool: {tcp: {maxConnections: 100}, http: {http1MaxPendingRequests: 50}}
      loadBalancer:
        simple: LEAST_REQUEST
        localityLbSetting: {failover: [{from: us-east-1, to: us-west-2}]}
      outlierDetection: {consecutive5xxErrors: 5, maxEjectionPercent: 100}
    subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
""")
"""A whole mesh in one cluster; another one beside it has the same."""

ISTIOD: Yaml = yaml.safe_load("""
revision: "1-31"
revisionTags: [default]
global: {tag: 1.31.0, hub: docker.io/istio, meshID: exam, multiCluster: {clusterName: use1}, network: use1}
env: {PILOT_PUSH_THROTTLE: "100"}
meshConfig:
  trustDomain: exam-platform.local
  accessLogFile: ""
  outboundTrafficPolicy: {mode: REGISTRY_ONLY}
  pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}
""")
"""Values of the istiod chart."""

GATEWAY: Yaml = yaml.safe_load("""
networkGateway: use1
service:
  type: LoadBalancer
  annotations: {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}
  loadBalancerSourceRanges: [10.1.0.0/16]
""")
"""Values of the gateway chart, between networks."""


def changed(document: Yaml, changes: Mapping[str, Any]) -> Yaml:
    """The document with what stands at dotted paths put in place; `ABSENT` takes it out."""
    document = copy.deepcopy(document)
    for path, value in changes.items():
        put(document, path, value)
    return document


def aws(type_: str, changes: Mapping[str, Any] = {}, name: str = "found", **more: Any) -> Resource:
    return resource(type_, name, changed(AWS[type_], changes), **more)


def object_(name: str, changes: Mapping[str, Any] = {}) -> Resource:
    return manifest(changed(OBJECTS.get(name) or MESH[name], changes))


@cache
def roots(shared: str) -> str:
    return base64.b64encode(authority(shared).certificate.encode()).decode()


def mesh(changes: Mapping[str, Mapping[str, Any] | object] = {}, **added: Yaml) -> list[Resource]:
    """Two clusters with the mesh in both. `changes`: of the first one's, by name; ABSENT takes one out.

    Names are those of MESH, `istiod`, `gatewayRelease`, `cacerts`, `remote`, and `peer` for the other one's istiod.
    `added` are objects more in the first one.
    """
    documents: dict[tuple[str, str], Yaml] = {}
    for cluster, other in ((CLUSTER, PEER), (PEER, CLUSTER)):
        for name, document in MESH.items():
            documents[cluster, name] = document
        documents[cluster, "cacerts"] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "cacerts", "namespace": "istio-system"},
            "data": {"root-cert.pem": roots("Root")},
        }
        documents[cluster, "remote"] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"istio-remote-secret-{other[-4:]}",
                "namespace": "istio-system",
                "labels": {"istio/multiCluster": "true"},
            },
            "stringData": {other[-4:]: "{users: [{user: {token: t}}]}"},
        }
        documents[cluster, "istiod"] = changed(ISTIOD, {"global.multiCluster.clusterName": cluster[-4:]})
        documents[cluster, "gatewayRelease"] = changed(GATEWAY, {"networkGateway": cluster[-4:]})
    documents |= {(CLUSTER, name): document for name, document in added.items()}
    for name, change in changes.items():
        key = (PEER, "istiod") if name == "peer" else (CLUSTER, name)
        if change is ABSENT:
            del documents[key]
        else:
            assert isinstance(change, Mapping)
            documents[key] = changed(documents[key], change)
    charts = {"istiod": "istiod", "gatewayRelease": "gateway"}
    return [
        release(charts[name], document, cluster=cluster) if name in charts else manifest(document, cluster=cluster)
        for (cluster, name), document in documents.items()
    ]
