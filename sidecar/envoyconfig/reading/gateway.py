"""A whole Envoy file, read for what its parts do in a gateway: edge, plan, attempts, providers, sidecar."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sidecar.config.compile import Config, load_config
from sidecar.config.document import ConfigError
from sidecar.envoyconfig.reading.attempts import Attempt, find_attempts
from sidecar.envoyconfig.reading.document import Document, Node, read_file
from sidecar.envoyconfig.reading.edges import EXT_PROC, ChatRoute, Choice, Edge, find_edges, fixed_clusters
from sidecar.envoyconfig.reading.elements import Cluster, HttpFilter, HttpListener, read_clusters, read_listeners
from sidecar.envoyconfig.reading.secrets import SecretFile, read_secret_files
from sidecar.envoyconfig.reading.shape import ShapeCheck, ShapeFault
from sidecar.routing.api import Endpoint
from sidecar.routing.policy import Model


@dataclass(frozen=True, slots=True)
class Gateway:
    """An Envoy file and the policy that it shall carry out."""

    config: Config
    document: Document
    shape: tuple[ShapeFault, ...]
    """Where the file, or a key file that it names, is not what Envoy takes."""
    listeners: tuple[HttpListener, ...]
    clusters: Mapping[str, Cluster]
    edges: tuple[Edge, ...]
    attempts: tuple[Attempt, ...]
    secret_files: Mapping[str, SecretFile]
    """By the path that the file names."""
    shadows: Mapping[Path, Config]
    """The policies that are tried beside this one, by their files; those that load."""

    @property
    def root(self) -> Node:
        """The top of the file."""
        return self.document.root

    @property
    def endpoints(self) -> frozenset[Endpoint]:
        """Those that the policy has models for."""
        return _endpoints(self.config)

    @property
    def has_dynamic_clusters(self) -> bool:
        """Whether clusters come from elsewhere, too."""
        return self._is_dynamic("cds_config")

    @property
    def has_dynamic_listeners(self) -> bool:
        """Whether listeners come from elsewhere, too."""
        return self._is_dynamic("lds_config")

    @property
    def chat_routes(self) -> Iterator[ChatRoute]:
        """The routes of chat requests, of every edge."""
        return (route for edge in self.edges for route in edge.routes)

    @property
    def plan_routes(self) -> Iterator[ChatRoute]:
        """Those of them that carry out plans."""
        return (route for route in self.chat_routes if route.choice in (Choice.PLAN, Choice.HEADER))

    @property
    def hop_routes(self) -> list[tuple[Edge, Node]]:
        """Every route of an edge that leads to an internal listener, whether chat requests take it or others."""
        carrying = {id(route.node.yaml) for route in self.plan_routes}
        return [
            (edge, route)
            for edge in self.edges
            for host in edge.virtual_hosts
            for route in host.at("routes").items()
            if id(route.yaml) in carrying or any(self.is_hop(name) for name, _ in fixed_clusters(route.at("route")))
        ]

    def is_hop(self, cluster: str) -> bool:
        """Whether that cluster leads to an internal listener."""
        return cluster in self.clusters and bool(self.clusters[cluster].internal_addresses)

    @property
    def inner_listeners(self) -> list[HttpListener]:
        """The internal listeners that attempts pass."""
        found = {id(it.inner.http.yaml): it.inner for it in self.attempts if it.inner is not None}
        return list(found.values())

    @property
    def passed_listeners(self) -> list[HttpListener]:
        """Every listener that chat requests pass."""
        return [edge.listener for edge in self.edges] + self.inner_listeners

    @property
    def attempt_clusters(self) -> list[Cluster]:
        """The clusters that lead to an internal listener."""
        return list({it.cluster.name: it.cluster for it in self.attempts if it.cluster.internal_addresses}.values())

    def provider_clusters(self, *, resilient_only: bool = False) -> list[Cluster]:
        """The clusters with a provider's address.

        `resilient_only`: those that a failed attempt leaves for another model.
        """
        return list(
            {
                it.provider.name: it.provider
                for it in self.attempts
                if it.provider is not None and (it.edge_route.choice is Choice.PLAN or not resilient_only)
            }.values()
        )

    def ext_proc_settings(self, *names: str) -> list[Node]:
        """A setting of the filters that ask the sidecar, overrides by chat routes among them."""
        return [it for edge in self.edges for it in edge.settings(*names)]

    def other_ext_procs(self) -> list[HttpFilter]:
        """The other ext_proc filters on the way of chat requests."""
        ours = {id(edge.ext_proc.node.yaml) for edge in self.edges if edge.ext_proc is not None}
        filters = [it for listener in self.passed_listeners for it in listener.filters]
        filters += [it for cluster in (*self.attempt_clusters, *self.provider_clusters()) for it in cluster.filters]
        return [it for it in filters if it.type == EXT_PROC and id(it.node.yaml) not in ours]

    def sidecar_clusters(self) -> list[Cluster]:
        """The clusters that the sidecar is reached at."""
        services = self.ext_proc_settings("grpc_service")
        names = [service.at("envoy_grpc", "cluster_name").text() for service in services]
        return [self.clusters[name] for name in dict.fromkeys(names) if name in self.clusters]

    def _is_dynamic(self, name: str) -> bool:
        dynamic = self.root.at("dynamic_resources")
        return dynamic.at(name).is_set or dynamic.at("ads_config").is_set


def models_by_cluster(config: Config) -> dict[str, Model]:
    """The policy's models by the name of their cluster, which is also that of their priority group."""
    return {model.cluster: model for model in config.policy.models.values()}


def read_gateway(config: Config, file: Path) -> Gateway:
    """Read an Envoy file, and the key files beside it. Raises UnreadableError."""
    document = read_file(file)
    check = ShapeCheck()
    listeners = read_listeners(document.root)
    clusters = read_clusters(document.root)
    edges = find_edges(listeners, clusters, _endpoints(config))
    secret_files = read_secret_files(document.root)
    secrets = [secret for file in secret_files.values() for secret in file.secrets]
    return Gateway(
        config=config,
        document=document,
        shape=(*check.check(document.root), *(it for secret in secrets for it in check.check_any(secret))),
        listeners=listeners,
        clusters=clusters,
        edges=edges,
        attempts=find_attempts(edges, models_by_cluster(config), listeners, clusters),
        secret_files=secret_files,
        shadows=dict(_load_shadows(config)),
    )


def _load_shadows(config: Config) -> Iterator[tuple[Path, Config]]:
    for file in config.shadow:
        try:
            yield file, load_config(file)
        except ConfigError:  # which is a finding in the policy
            continue


def _endpoints(config: Config) -> frozenset[Endpoint]:
    return frozenset(it for model in config.policy.models.values() for it in model.endpoints)
