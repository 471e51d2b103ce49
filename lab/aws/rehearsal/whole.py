"""A stack from nothing to nothing in the lab's regions: what stands behind its clusters, and what goes between them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import BasicConstraints

from lab.aws.plugin.clients import Aws
from lab.aws.rehearsal import clusters, doctor
from lab.aws.rehearsal.acts import DayTwo, Stage, edited
from lab.aws.rehearsal.clusters import Traffic
from lab.aws.rehearsal.controller import Controller
from lab.aws.rehearsal.engine import RunFailed
from lab.aws.rehearsal.missing import NAMESPACE
from lab.aws.rehearsal.rows import Differs, Rows, equal
from lab.aws.rehearsal.runner import place
from lab.aws.rehearsal.stacks import Stack
from lab.aws.rehearsal.ways import API_PORT, GATEWAY_PORT, runner_address
from lab.region import RegionRuntime
from lab.waiting import wait_for

NOWHERE = "192.0.2.0/24"
"""A range that nobody is in (RFC 5737): a rule for it lets nobody in."""

OPENS = 90.0
"""Seconds for a way that is open again to be used again: proxies try less and less often what failed."""

CLOSES = 30.0

SETTLES = 60.0

FROM_ELSEWHERE = "Deploy from where `istio-mesh:aws.deployFrom` says"
"""A part of what is said where no way leads to an API server."""


PROTECTED = "because it is protected"
"""A part of what the engine says of a resource that it does not delete."""


@dataclass
class Whole:
    """The acts of a stack that is deployed in the lab.

    Attributes:
        stack: The stack.
        stage: Where the acts take place.
        runtimes: The lab's regions.
        controllers: What makes load balancers in them.
    """

    stack: Stack
    stage: Stage
    runtimes: Sequence[RegionRuntime]
    controllers: Sequence[Controller]

    @property
    def rows(self) -> Rows:
        return self.stage.rows

    def tokens(self) -> None:
        """Who is let into the clusters, and for how long."""
        with self.rows.row("A2", f"{self.stack.name}: a cluster takes a token until its end, and nobody else's") as row:
            region, cluster = next(iter(self.stack.clusters().items()))
            account, runtime = self.stage.account, self._in(region)

            def status(**how: Any) -> int:
                token = account.order("token", cluster=cluster, region=region, **how)["token"]
                return clusters.asked_with(runtime, token)

            equal("the status with a token", status(), 200)
            # An API server goes on for a minute, for clocks that differ: this one has some seconds of that minute left.
            ending = account.order("token", cluster=cluster, region=region, seconds=-52)["token"]
            equal("the status before its end", clusters.asked_with(runtime, ending), 200)
            wait_for(
                lambda: clusters.asked_with(runtime, ending) == 401,
                deadline=20,
                what="a token to be refused after its end",
            )
            account.order("caller", arn=f"arn:aws:iam::{self.stack.account}:role/nobody")
            equal("the status with the token of somebody without an access entry", status(), 403)
            account.order("caller", arn=self.stack.deployer)
            row.update(accepted=200, after_its_end=401, without_access=403)

    def traffic(self) -> Traffic:
        """Requests from each region to a service that runs in the other one alone."""
        found = Traffic(self.runtimes)
        with self.rows.row("A3", f"{self.stack.name}: requests go between the regions, both ways") as row:
            found.deploy()
            for source, target in found.ways:
                what = f"{source.region.name} to reach {target.service} in {target.region.region.name}"
                wait_for(lambda s=source, t=target: found.status(s, t) == 200, deadline=OPENS, what=what, interval=1)
                statuses = [found.status(source, target) for _ in range(10)]
                equal(f"10 requests from {source.region.name} to {target.service}", statuses, [200] * 10)
                row[f"{source.region.name}_to_{target.region.region.name}"] = len(statuses)
        return found

    def examined(self, traffic: Traffic) -> None:
        """What `python -m mesh doctor` says of it, from where the stack is deployed."""
        title = f"{self.stack.name}: the doctor finds what is not deployed, and nothing else wrong in either region"
        with self.rows.row("L1", title) as row:
            expected = set(doctor.missing(self.stack, traffic.deployed))

            def said() -> doctor.Said | None:
                found = doctor.ask(self.stage.engine, self.stack)
                row["differs"] = [" ".join(each) for each in sorted(found.of_the_stack ^ expected)]
                return found if not row["differs"] else None

            # Pods that have just started are not known to everybody yet.
            found = wait_for(said, deadline=SETTLES, what="the doctor to find what is missing alone", interval=2)
            del row["differs"]
            row.update(findings=len(expected), seconds=found.seconds)

    def gateway_rule(self, traffic: Traffic) -> None:
        """A rule of the east-west gateway taken away, and put back."""
        title = f"{self.stack.name}: the rule for port 15443 taken away ends requests one way, put back mends them"
        with self.rows.row("A3", title) as row:
            (source, target), (back, other) = traffic.ways
            with self._closed(source, target.region, GATEWAY_PORT):
                wait_for(lambda: traffic.status(source, target) != 200, deadline=CLOSES, what="requests to fail")
                equal(
                    "requests that get through", [traffic.status(source, target) == 200 for _ in range(3)], [False] * 3
                )
                equal("the other way's status", traffic.status(back, other), 200)
                row["failed_without"] = 3
            wait_for(lambda: traffic.status(source, target) == 200, deadline=OPENS, what="requests again", interval=1)

    def routes(self, traffic: Traffic) -> None:
        """A route taken away, and put back: answers find no way either."""
        title = (
            f"{self.stack.name}: a route between the regions taken away ends requests both ways, put back mends them"
        )
        with self.rows.row("A3", title) as row:
            with self._unrouted(self.runtimes[0], self.runtimes[-1]):
                for source, target in traffic.ways:
                    wait_for(
                        lambda s=source, t=target: traffic.status(s, t) != 200, deadline=CLOSES, what="requests to fail"
                    )
            for source, target in traffic.ways:
                wait_for(
                    lambda s=source, t=target: traffic.status(s, t) == 200, deadline=OPENS, what="requests again",
                    interval=1,
                )  # fmt: skip
            row["ways"] = len(traffic.ways)

    def api_rule(self) -> None:
        """What lets a peer in at an API server, a rule or an entry in its allow-list, taken away and put back."""
        title = f"{self.stack.name}: what lets a peer in at an API server taken away shuts it out, put back lets it in"
        with self.rows.row("A3", title):
            peer, target = self.runtimes[0], self.runtimes[-1]
            equal("whether the peer has a way", clusters.answers(peer, target), True)
            with self._closed(peer, target, API_PORT):
                wait_for(lambda: not clusters.answers(peer, target), deadline=CLOSES, what="the API server to be shut")
            wait_for(lambda: clusters.answers(peer, target), deadline=CLOSES, what="the API server to be open again")

    def elsewhere(self) -> None:
        """The engine in another place than `deployFrom` names."""
        title = (
            f"{self.stack.name}: from another place than `deployFrom` an `up` fails with a sentence and changes nothing"
        )
        with self.rows.row("A2", title) as row:
            topology = self.runtimes[0].topology
            before, engine = self.stage.account.changes(), self.stage.engine
            with place(topology, runner_address(topology) - 1, port="stranger") as inside, engine.started_by(inside):
                try:
                    engine.up()
                except RunFailed as failed:
                    if FROM_ELSEWHERE not in failed.said:
                        raise Differs(
                            f"the engine does not say `{FROM_ELSEWHERE}`, but: {failed.said[-600:]}"
                        ) from failed
                else:
                    raise Differs("`up` succeeded from a place without a way to the API servers")
            equal("calls that change something", self.stage.account.changes() - before, 0)
            equal("what changes from the right place", engine.up().by_type(), {})
            row["says"] = FROM_ELSEWHERE

    def public_name(self) -> None:
        """One name over both regions: its records, and what answers behind them."""
        name = self.stack.part("gateways")["ingress"].get("name")
        if name is None:
            return
        with self.rows.row(
            "D3", f"{self.stack.name}: every public host leads to a load balancer in each region"
        ) as row:
            route53 = Aws("us-east-1", self.stack.account).client("route53")
            records = route53.list_resource_record_sets(HostedZoneId=name["zoneId"])["ResourceRecordSets"]
            aliases = {
                (each["Name"].rstrip("."), each["SetIdentifier"]): each["AliasTarget"]["DNSName"].rstrip(".")
                for each in records
                if each["Type"] == "A"
            }
            server = yaml.safe_load(self._config())["config"][f"{NAMESPACE}:gateways"]["ingress"]["servers"][0]
            expected = {(host, each) for host in server["hosts"] for each in self.stack.regions()}
            equal("hosts with a record in each region", set(aliases), expected)
            addresses = {name: at for each in self.controllers for name, at in each.addresses.items()}

            def answered(host: str, alias: str) -> int | None:
                status = clusters.page(addresses[alias], host, server["tls"]["certificate"])
                # Of the services behind the hosts only that of the first one runs here.
                return status if host != server["hosts"][0] or status == 200 else None

            for (host, cluster), alias in sorted(aliases.items()):
                what = f"{host} to be answered in {cluster}"
                row[f"{host} in {cluster}"] = wait_for(
                    lambda host=host, alias=alias: answered(host, alias), deadline=OPENS, what=what, interval=1
                )
            row["records"] = len(aliases)

    def authorities(self) -> None:
        """Each region's authority, signed by AWS Private CA."""
        asked = self.stack.part("trust")["root"].get("privateCa")
        if asked is None:
            return
        with self.rows.row("B1", f"{self.stack.name}: AWS Private CA has signed an authority for each cluster") as row:
            acm = Aws(asked["arn"].split(":")[3], self.stack.account).client("acm-pca")
            pem = acm.get_certificate_authority_certificate(CertificateAuthorityArn=asked["arn"])["Certificate"]
            found = [clusters.certificates(each) for each in self.runtimes]
            serials = {each["ca-cert"].serial_number for each in found}
            equal("different authorities", len(serials), len(self.runtimes))
            for each in found:
                equal("the root", each["root-cert"].public_bytes(Encoding.PEM).decode().strip(), pem.strip())
                each["ca-cert"].verify_directly_issued_by(each["root-cert"])
                constraints = each["ca-cert"].extensions.get_extension_for_class(BasicConstraints).value
                equal("ends the path", (constraints.ca, constraints.path_length), (True, 0))
            row["authorities"] = len(serials)

    def protected(self) -> None:
        """A protected stack is not taken away, and stays whole: the preview of `destroy` ends it."""
        if not _is_protected(self.stack):
            return
        title = f"{self.stack.name}: `destroy` of a protected stack is refused before anything is deleted"
        with self.rows.row("A5", title) as row:
            before, objects = self.stage.account.changes(), clusters.objects(self.runtimes)
            try:
                self.stage.engine.destroy(previewed=True)
            except RunFailed as failed:
                if PROTECTED not in failed.said:
                    raise Differs(f"the engine does not say `{PROTECTED}`, but: {failed.said[-600:]}") from failed
            else:
                raise Differs("`destroy` of a protected stack succeeded")
            equal("calls that change something", self.stage.account.changes() - before, 0)
            now = clusters.objects(self.runtimes)
            missing = {region: sorted(found - now[region]) for region, found in objects.items()}
            equal("what is missing in the clusters", [name for found in missing.values() for name in found], [])
            equal("what `up` has to mend", self.stage.engine.up().by_type(), {})
            row["says"] = PROTECTED

    def nothing_left(self, before: Mapping[str, set[str]]) -> None:
        """What was in the clusters before is all that is in them."""
        with self.rows.row("A5", f"{self.stack.name}: nothing is left in the clusters either") as row:
            found = clusters.objects(self.runtimes)
            for region, objects in found.items():
                equal(f"what is left in {region}", sorted(objects - before[region]), [])
                row[region] = len(objects)

    def _config(self) -> str:
        assert self.stage.engine.config is not None
        return self.stage.engine.config.read_text(encoding="utf-8")

    def _in(self, region: str) -> RegionRuntime:
        return next(each for each in self.runtimes if each.region.region == region)

    def _vpc(self, runtime: RegionRuntime) -> tuple[Any, dict[str, Any], str]:
        """A client of EC2 in a region, its cluster's network, and the range of its VPC."""
        region = runtime.region.region
        aws = Aws(region, self.stack.account)
        network = aws.eks.describe_cluster(name=self.stack.clusters()[region])["cluster"]["resourcesVpcConfig"]
        cidr = aws.ec2.describe_vpcs(VpcIds=[network["vpcId"]])["Vpcs"][0]["CidrBlock"]
        return aws.ec2, network, cidr

    @contextmanager
    def _closed(self, source: RegionRuntime, target: RegionRuntime, port: int) -> Generator[None]:
        """For as long as the block lasts, what lets one region's range in on a port lets nobody in."""
        ec2, network, _ = self._vpc(target)
        if port == API_PORT and network["endpointPublicAccess"]:
            with self._off_the_list(source, target):
                yield
            return
        cidr = self._vpc(source)[2]
        groups = [network["clusterSecurityGroupId"], *network["securityGroupIds"]]
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": groups}])
        found = [
            each
            for each in rules["SecurityGroupRules"]
            if not each["IsEgress"] and each.get("CidrIpv4") == cidr and each["FromPort"] <= port <= each["ToPort"]
        ]
        equal(f"rules for port {port} of {source.region.name} in {target.region.name}", len(found), 1)

        def let_in(range: str) -> None:
            rule = {key: found[0][key] for key in ("IpProtocol", "FromPort", "ToPort")} | {"CidrIpv4": range}
            changed = [{"SecurityGroupRuleId": found[0]["SecurityGroupRuleId"], "SecurityGroupRule": rule}]
            ec2.modify_security_group_rules(GroupId=found[0]["GroupId"], SecurityGroupRules=changed)

        let_in(NOWHERE)
        try:
            yield
        finally:
            let_in(cidr)

    @contextmanager
    def _off_the_list(self, source: RegionRuntime, target: RegionRuntime) -> Generator[None]:
        """For as long as the block lasts, a public API server's allow-list lacks the addresses of one region."""
        ec2, own, _ = self._vpc(source)
        gateways = ec2.describe_nat_gateways(Filters=[{"Name": "vpc-id", "Values": [own["vpcId"]]}])["NatGateways"]
        addresses = {f"{one['PublicIp']}/32" for each in gateways for one in each["NatGatewayAddresses"]}
        region = target.region.region
        eks, name = Aws(region, self.stack.account).eks, self.stack.clusters()[region]
        before = self._vpc(target)[1]["publicAccessCidrs"]

        def allow(ranges: list[str]) -> None:
            eks.update_cluster_config(name=name, resourcesVpcConfig={"publicAccessCidrs": ranges})

            def done() -> bool:
                cluster = eks.describe_cluster(name=name)["cluster"]
                return cluster["status"] == "ACTIVE" and cluster["resourcesVpcConfig"]["publicAccessCidrs"] == ranges

            wait_for(done, deadline=30, what=f"the allow-list of {name}")

        equal("addresses on the list", addresses <= set(before), True)
        allow([each for each in before if each not in addresses])
        try:
            yield
        finally:
            allow(before)

    @contextmanager
    def _unrouted(self, source: RegionRuntime, target: RegionRuntime) -> Generator[None]:
        """For as long as the block lasts, a route table of one region's nodes has no route to the other one."""
        ec2, network, _ = self._vpc(source)
        cidr = self._vpc(target)[2]
        table, route = next(self._routes(ec2, network["vpcId"], cidr))
        ec2.delete_route(RouteTableId=table, DestinationCidrBlock=cidr)
        try:
            yield
        finally:
            ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, **route)

    @staticmethod
    def _routes(ec2: Any, vpc: str, cidr: str) -> Iterator[tuple[str, dict[str, str]]]:
        filters = [
            {"Name": "vpc-id", "Values": [vpc]},
            {"Name": "tag:kubernetes.io/role/internal-elb", "Values": ["1"]},
        ]
        subnets = {each["SubnetId"] for each in ec2.describe_subnets(Filters=filters)["Subnets"]}
        for table in ec2.describe_route_tables(Filters=filters[:1])["RouteTables"]:
            if subnets & {each.get("SubnetId") for each in table["Associations"]}:
                for route in table["Routes"]:
                    if route.get("DestinationCidrBlock") == cidr:
                        names = ("VpcPeeringConnectionId", "TransitGatewayId")
                        yield table["RouteTableId"], {name: route[name] for name in names if name in route}


def _is_protected(stack: Stack) -> bool:
    return bool(stack.part("aws").get("deletionProtection"))


def unprotected(stack: Stack) -> list[DayTwo]:
    """What has to be done before a stack can be taken away (docs/teardown.md)."""
    if not _is_protected(stack):
        return []

    def edit(config: dict[str, Any]) -> None:
        config[f"{NAMESPACE}:aws"]["deletionProtection"] = False

    expected = {"update aws:eks/cluster:Cluster": len(stack.regions())}
    return [DayTwo("protection from deletion taken away", edited(edit), expected)]


def kept(stack: Stack) -> dict[str, int]:
    """What stays in the account because the stack's file says so."""
    if not stack.part("aws").get("logs", {}).get("keep"):
        return {}
    return {f"logs/group/{region}": 1 for region in stack.clusters()}
