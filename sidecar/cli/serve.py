"""`sidecar serve`: answer Envoy until SIGTERM."""

import argparse
import logging
import sys
from pathlib import Path

from sidecar.cli import values
from sidecar.cli.exit_codes import EXIT_UNUSABLE, Commands
from sidecar.workers import run_workers, worker_address

_DEFAULT_SOCKET = "/run/llm/sidecar.sock"


def add_serve(commands: Commands) -> None:
    """The command's options."""
    serve = commands.add_parser(
        "serve",
        help="decide requests for Envoy",
        description="Answer Envoy's ext_proc calls until SIGTERM, by a policy file and the classifier.",
    )
    serve.add_argument("--policy", type=Path, required=True, metavar="FILE", help="the policy, a YAML file")
    serve.add_argument(
        "--socket",
        default=_DEFAULT_SOCKET,
        type=values.socket,
        metavar="PATH|HOST:PORT",
        help=f"where Envoy reaches us: a Unix socket or an address (default: {_DEFAULT_SOCKET})",
    )
    serve.add_argument(
        "--http",
        default="127.0.0.1:9902",
        type=values.address,
        metavar="HOST:PORT",
        help="our own port, with /healthz, /readyz and /metrics (default: 127.0.0.1:9902)",
    )
    serve.add_argument(
        "--workers",
        default=1,
        type=values.positive,
        metavar="N",
        help="processes; further ones listen at PATH-1, PATH-2 … and at PORT+1, PORT+2 … (default: 1)",
    )
    serve.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)"
    )
    serve.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    if options.workers == 1:
        return _serve(options, 0)
    last_ports = [options.http[1], *([] if "/" in options.socket else [values.address(options.socket)[1]])]
    if max(last_ports) + options.workers - 1 > values.HIGHEST_PORT:
        print(f"sidecar: {options.workers} workers need ports beyond {values.HIGHEST_PORT}", file=sys.stderr)
        return EXIT_UNUSABLE
    return run_workers(options.workers, lambda index: _serve(options, index))


def _serve(options: argparse.Namespace, index: int) -> int:
    from sidecar.serve import ServeOptions, StartError, serve  # not before a fork, and not for other commands

    host, port = options.http
    try:
        serve(
            ServeOptions(
                policy=options.policy,
                address=worker_address(options.socket, index),
                http_host=host,
                http_port=port + index,
                workers=options.workers,
            )
        )
    except StartError as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return EXIT_UNUSABLE
    return 0
