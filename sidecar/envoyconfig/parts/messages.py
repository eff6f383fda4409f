"""The packages of Envoy's messages that we write with, from envoy-data-plane, and the shapes that recur in them."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its use of pydantic is deprecated, which is not our concern
    import betterproto2
    from envoy_data_plane.envoy.config.accesslog import v3 as accesslog
    from envoy_data_plane.envoy.config.bootstrap import v3 as bootstrap
    from envoy_data_plane.envoy.config.cluster import v3 as cluster
    from envoy_data_plane.envoy.config.common.mutation_rules import v3 as mutation_rules
    from envoy_data_plane.envoy.config.core import v3 as core
    from envoy_data_plane.envoy.config.endpoint import v3 as endpoint
    from envoy_data_plane.envoy.config.listener import v3 as listener
    from envoy_data_plane.envoy.config.overload import v3 as overload
    from envoy_data_plane.envoy.config.route import v3 as route
    from envoy_data_plane.envoy.config.trace import v3 as trace
    from envoy_data_plane.envoy.extensions.access_loggers.grpc import v3 as grpc_log
    from envoy_data_plane.envoy.extensions.access_loggers.stream import v3 as stream_log
    from envoy_data_plane.envoy.extensions.bootstrap.internal_listener import v3 as internal_listener
    from envoy_data_plane.envoy.extensions.clusters.common.dns import v3 as dns_common
    from envoy_data_plane.envoy.extensions.clusters.dns import v3 as dns
    from envoy_data_plane.envoy.extensions.filters.http.credential_injector import v3 as credential_injector
    from envoy_data_plane.envoy.extensions.filters.http.ext_proc import v3 as ext_proc
    from envoy_data_plane.envoy.extensions.filters.http.header_mutation import v3 as header_mutation
    from envoy_data_plane.envoy.extensions.filters.http.header_to_metadata import v3 as header_to_metadata
    from envoy_data_plane.envoy.extensions.filters.http.lua import v3 as lua
    from envoy_data_plane.envoy.extensions.filters.http.router import v3 as router
    from envoy_data_plane.envoy.extensions.filters.http.upstream_codec import v3 as upstream_codec
    from envoy_data_plane.envoy.extensions.filters.network.connection_limit import v3 as connection_limit
    from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager import v3 as hcm
    from envoy_data_plane.envoy.extensions.http.early_header_mutation.header_mutation import v3 as early_mutation
    from envoy_data_plane.envoy.extensions.http.injected_credentials.generic import v3 as generic_credential
    from envoy_data_plane.envoy.extensions.resource_monitors.downstream_connections import v3 as connections
    from envoy_data_plane.envoy.extensions.retry.host.previous_hosts import v3 as previous_hosts
    from envoy_data_plane.envoy.extensions.transport_sockets.internal_upstream import v3 as internal_upstream
    from envoy_data_plane.envoy.extensions.transport_sockets.raw_buffer import v3 as raw_buffer
    from envoy_data_plane.envoy.extensions.transport_sockets.tls import v3 as tls
    from envoy_data_plane.envoy.extensions.upstreams.http import v3 as http_options
    from envoy_data_plane.envoy.service.discovery import v3 as discovery
    from envoy_data_plane.envoy.type import v3 as values
    from envoy_data_plane.envoy.type.matcher import v3 as matcher
    from envoy_data_plane.envoy.type.metadata import v3 as metadata
    from envoy_data_plane.envoy.type.tracing import v3 as tracing
    from envoy_data_plane.google import protobuf
    from envoy_data_plane.message_pool import default_message_pool

__all__ = [
    "Append",
    "accesslog",
    "append_header",
    "bootstrap",
    "cluster",
    "connection_limit",
    "connections",
    "core",
    "credential_injector",
    "default_message_pool",
    "discovery",
    "dns",
    "dns_common",
    "early_mutation",
    "endpoint",
    "ext_proc",
    "extension",
    "generic_credential",
    "grpc_log",
    "hcm",
    "header_mutation",
    "header_to_metadata",
    "http_options",
    "internal_listener",
    "internal_upstream",
    "listener",
    "lua",
    "matcher",
    "metadata",
    "mutation_rules",
    "overload",
    "packed",
    "previous_hosts",
    "protobuf",
    "raw_buffer",
    "regex",
    "route",
    "router",
    "socket_address",
    "stream_log",
    "struct",
    "tls",
    "trace",
    "tracing",
    "upstream_codec",
    "values",
]

Append = core.HeaderValueOptionHeaderAppendAction


def packed(message: betterproto2.Message) -> protobuf.Any:
    """A message that names its own type (`typed_config`)."""
    return protobuf.Any.pack(message)


def extension(name: str, message: betterproto2.Message) -> core.TypedExtensionConfig:
    """An extension by name, with its own configuration."""
    return core.TypedExtensionConfig(name=name, typed_config=packed(message))


def append_header(key: str, value: str, action: Append = Append.OVERWRITE_IF_EXISTS_OR_ADD) -> core.HeaderValueOption:
    """A header to set."""
    return core.HeaderValueOption(header=core.HeaderValue(key=key, value=value), append_action=action)


def regex(text: str) -> matcher.RegexMatcher:
    """A whole value that matches, in RE2's syntax."""
    return matcher.RegexMatcher(regex=text)


def socket_address(host: str, port: int) -> core.Address:
    """A host and a TCP port."""
    return core.Address(socket_address=core.SocketAddress(address=host, port_value=port))


def struct(value: dict[str, object]) -> protobuf.Struct:
    """Any JSON object."""
    made: protobuf.Struct = protobuf.Struct.from_dict(value)
    return made
