"""The ban list for a cluster's tests: its database on the node, the addon, and neighbours to be banned."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.kubernetes import build, components
from tests.integration.ipban.stores import LOGINS, PASSWORDS, VARIABLES, Store
from tests.integration.ipban.stores import PLAYBOOK as STORE_PLAYBOOK
from tests.integration.support import ROOT, Played, RealHost, play

from .clusters import INVENTORY, Cluster, eventually

PLAYBOOK = ROOT / "tests" / "integration" / "addons" / "play.yml"
INGRESS = "ingress-nginx"
CONTROLLER = "ingress-nginx-controller"
# A network behind a link of the node's own: it is no guarded one, and its packets come in from outside.
NEIGHBOURS = "198.18.7"
PREPARE = f"""
ip netns list | grep -q '^neighbours' && exit
ip netns add neighbours
ip link add to-neighbours type veth peer name to-node netns neighbours
ip address add {NEIGHBOURS}.1/24 dev to-neighbours
ip link set to-neighbours up
for last in 2 3 4; do ip -n neighbours address add {NEIGHBOURS}.$last/24 dev to-node; done
ip -n neighbours link set to-node up
ip -n neighbours route add default via {NEIGHBOURS}.1
"""
ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[2], int(sys.argv[3]), 1, source_address=(sys.argv[1], 0))
try:
    connection.request("GET", "/")
    print(connection.getresponse().status)
except OSError as error:
    print(type(error).__name__)
"""


@dataclass(frozen=True)
class BanList:
    """The addon in a cluster, and its store; ``folder`` is for what the playbook needs on this machine."""

    cluster: Cluster
    store: Store
    folder: Path
    _banned: list[str] = field(default_factory=list)

    @property
    def host(self) -> RealHost:
        return self.store.host

    def converge(self, state: str = "present", **values: Any) -> Played:
        """Run the playbook with values of the chart, over those that the test begins with."""
        inventory = self.folder / "clusters.yml"
        connection = f"[ipban]\nhost={self.host.address}\nuser={LOGINS['reader']}\ndbname=ipban\n"
        connection += f"password={PASSWORDS['reader']}\nsslmode=require\nchannel_binding=require\n"
        denylist = {"pollSeconds": 5, "minSeconds": 0, "ingressNginx": {"enabled": True}}
        variables = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            "k8s_addons_state": state,
            "k8s_addons_kubeconfig": str(self.cluster.kubeconfig),
            "k8s_addons_helm": str(build.program("helm")),
            "k8s_addons_cache": str(self.folder / "cache"),
            "k8s_addons_environment": "lab",
            "k8s_addons_selection": ["ipban"],
            "k8s_addons_values": {"ipban": {"nodes": {"pollSeconds": 5}, "denylist": denylist}},
            "k8s_addons_inline_values": {"ipban": values},
            "k8s_addons_secrets": {"ipban": {"ipban-store": {"pg_service.conf": connection}}},
        }
        # JSON is YAML.
        inventory.write_text(json.dumps({"clusters": {"hosts": {"node": variables}}}))
        return play(PLAYBOOK, inventory=inventory)

    def ban(self, *networks: str) -> None:
        """Until the test is over, or :meth:`unban`."""
        self._banned.extend(networks)
        self.store.call("SELECT ipban.ban(%s::text[], 'a test')", list(networks))

    def unban(self, *networks: str) -> None:
        self.store.call("SELECT ipban.unban(%s::text[])", list(networks))

    def end(self) -> None:
        if self._banned:
            self.unban(*self._banned)
            self._banned.clear()

    def answers(self, last: int, port: int) -> bool:
        """Whether the node's port answers the neighbour whose address ends with ``last``."""
        source = f"{NEIGHBOURS}.{last}"
        command = f"ip netns exec neighbours python3 - {source} {self.host.address} {port}"
        done = self.host.run(command, stdin=ASK)
        assert done.stdout in ("200\n", "TimeoutError\n"), f"{done.stdout}{done.stderr}"
        return done.stdout == "200\n"

    def controller(self) -> dict[str, Any]:
        """The data of the ingress's ConfigMap."""
        found: dict[str, Any] = self.object()["data"]
        return found

    def object(self) -> dict[str, Any]:
        found = self.cluster.kubectl(
            "get", "configmap", CONTROLLER, f"--namespace={INGRESS}", "--output=json"
        )
        described: dict[str, Any] = json.loads(found)
        return described

    def denied(self) -> list[str]:
        text = self.controller().get("block-cidrs", "")
        return sorted(text.split(",")) if text else []

    def denies(self, *networks: str) -> bool:
        """Whether the ingress denies exactly these, soon."""
        return eventually(lambda: self.denied() == sorted(networks), 30)

    def metrics(self, address: str, port: int) -> dict[str, float]:
        asked = (
            f"import urllib.request as u; print(u.urlopen('http://{address}:{port}/metrics').read().decode())"
        )
        text = self.host.output(f'python3 -c "{asked}"')
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _space, value in (line.rpartition(" ") for line in lines)}


def bring_store(host: RealHost) -> Store:
    """The role's own store, on the node itself; pods come to it from their own addresses."""
    clients = [f"{host.address.rpartition('.')[0]}.0/24", components.NODE_PODS]
    given = {**VARIABLES, "ipban_store_clients": clients}
    played = play(STORE_PLAYBOOK, "--extra-vars", json.dumps(given), inventory=INVENTORY)
    assert played.returncode == 0, played.output
    return Store(host)
