"""`sidecar serve`: answer Envoy until SIGTERM."""

import argparse
import logging
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sidecar.cli import values
from sidecar.cli.exit_codes import EXIT_UNUSABLE, Commands
from sidecar.workers import Child, run_children, worker_address

if TYPE_CHECKING:  # other commands do without
    from sidecar.config.loaded import LoadedPolicy

_DEFAULT_SOCKET = "/run/llm/sidecar.sock"
_OUTCOMES = "outcomes.sock"

# Whoever wants to see more than health and counts from another machine has to know this.
_TOKEN_VARIABLE = "SIDECAR_CONSOLE_TOKEN"  # noqa: S105


def add_serve(commands: Commands) -> None:
    """The command's options."""
    serve = commands.add_parser(
        "serve",
        help="decide requests for Envoy",
        description="Answer Envoy's ext_proc calls until SIGTERM, by a policy file and the classifier, and collect "
        "what became of the requests.",
    )
    serve.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy, a YAML file")
    serve.add_argument(
        "--envoy",
        type=Path,
        metavar="FILE",
        help="the configuration of the Envoy that carries the plans out: a policy with a model that it does not have "
        "is refused, at the start and at an edit",
    )
    serve.add_argument(
        "--socket",
        default=_DEFAULT_SOCKET,
        type=values.socket,
        metavar="PATH|HOST:PORT",
        help=f"where Envoy asks us: a Unix socket or an address (default: {_DEFAULT_SOCKET})",
    )
    serve.add_argument(
        "--outcomes",
        type=values.socket,
        metavar="PATH|HOST:PORT",
        help=f"where Envoy's access log service reaches us (default: {_OUTCOMES} beside the socket)",
    )
    serve.add_argument(
        "--http",
        default="127.0.0.1:9902",
        type=values.address,
        metavar="HOST:PORT",
        help="our own port: the console, /healthz, /readyz and /metrics (default: 127.0.0.1:9902). On other than "
        f"loopback addresses the console asks for the token in ${_TOKEN_VARIABLE}",
    )
    serve.add_argument(
        "--trace-url",
        metavar="URL",
        help="where a trace can be seen, with {trace_id} in it, for the console's links: "
        "http://localhost:16686/trace/{trace_id}",
    )
    serve.add_argument(
        "--tenant-labels",
        default=0,
        type=values.positive,
        metavar="N",
        help="metrics by tenant, for so many of them; all others are `other` (default: none)",
    )
    serve.add_argument(
        "--workers",
        default=1,
        type=values.positive,
        metavar="N",
        help="processes that decide; further ones listen at PATH-1, PATH-2 … (default: 1)",
    )
    serve.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)"
    )
    serve.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Before the forks: a mistake in the policy is told once, and what is imported here the children share.
    from sidecar.config.carried import NotCarriedError, load_first_policy
    from sidecar.config.document import ConfigError
    from sidecar.notices.channel import open_channel

    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    port = 0 if "/" in options.socket else values.address(options.socket)[1]
    if port + options.workers - 1 > values.HIGHEST_PORT:
        print(f"sidecar: {options.workers} workers need ports beyond {values.HIGHEST_PORT}", file=sys.stderr)
        return EXIT_UNUSABLE
    try:
        loaded = load_first_policy(options.policy, options.envoy)
    except (ConfigError, NotCarriedError) as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    sending, receiving = open_channel()
    workers = [
        Child(f"worker {index}", lambda index=index: _work(options, loaded, index, sending))  # type: ignore[misc]
        for index in range(options.workers)
    ]
    return run_children(
        [Child("collector", lambda: _collect(options, loaded, receiving), leaves_last=True), *workers]
    )


def _folder(address: str) -> Path:
    """Of a socket; of others the usual one."""
    return Path(address if "/" in address else _DEFAULT_SOCKET).parent


def _work(options: argparse.Namespace, loaded: "LoadedPolicy", index: int, sending: socket.socket) -> int:
    # Not before a fork, and not for other commands.
    from sidecar.lifecycle import StartError
    from sidecar.serve import ServeOptions, serve

    try:
        serve(
            ServeOptions(
                policy=options.policy,
                loaded=loaded,
                address=worker_address(options.socket, index),
                notices=sending,
                worker=index,
                workers=options.workers,
                envoy=options.envoy,
            )
        )
    except StartError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    return 0


def _collect(options: argparse.Namespace, loaded: "LoadedPolicy", receiving: socket.socket) -> int:
    from sidecar.collector import CollectOptions, collect
    from sidecar.lifecycle import StartError

    host, port = options.http
    try:
        collect(
            CollectOptions(
                policy=options.policy,
                loaded=loaded,
                address=options.outcomes or str(_folder(options.socket) / _OUTCOMES),
                http_host=host,
                http_port=port,
                notices=receiving,
                workers=tuple([worker_address(options.socket, index) for index in range(options.workers)]),
                trace_url=options.trace_url,
                tenant_labels=options.tenant_labels,
            )
        )
    except StartError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    return 0
