"""`sidecar demo`: everything on this machine, to try it."""

import argparse
import sys

from sidecar.cli import values
from sidecar.cli.exit_codes import EXIT_UNUSABLE, Commands


def add_demo(commands: Commands) -> None:
    """The command's options."""
    demo = commands.add_parser(
        "demo",
        help="try it: Envoy, the sidecar and providers of our own, on this machine",
        description="Run the real Envoy, the sidecar and stand-in providers on this machine, until Ctrl-C.",
    )
    demo.add_argument(
        "--envoy-port",
        type=values.port,
        metavar="PORT",
        default=10000,
        help="where clients talk to Envoy (default: 10000)",
    )
    demo.add_argument(
        "--admin-port", type=values.port, metavar="PORT", default=9901, help="Envoy's admin interface (default: 9901)"
    )
    demo.add_argument(
        "--http-port", type=values.port, metavar="PORT", default=9902, help="the sidecar's own port (default: 9902)"
    )
    demo.add_argument(
        "--control-port",
        type=values.port,
        metavar="PORT",
        default=9910,
        help="where the providers' faults are switched (default: 9910)",
    )
    demo.add_argument(
        "--workers", type=values.positive, default=1, metavar="N", help="sidecar processes (default: 1)"
    )
    demo.add_argument("--basic", action="store_true", help="run envoy-basic.yaml: no failover between models")
    demo.add_argument("--otlp-endpoint", metavar="HOST:PORT", help="send traces of Envoy and sidecar there (gRPC)")
    demo.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import asyncio  # other commands do without, and start sooner

    try:
        from sidecar.demo.run import DemoOptions, run_demo
    except ModuleNotFoundError as error:
        print(f"sidecar: the demo needs {error.name}: pip install 'envoy-llm-sidecar[demo]'", file=sys.stderr)
        return EXIT_UNUSABLE
    return asyncio.run(
        run_demo(
            DemoOptions(
                envoy_port=options.envoy_port,
                admin_port=options.admin_port,
                http_port=options.http_port,
                control_port=options.control_port,
                basic=options.basic,
                workers=options.workers,
                otlp_endpoint=options.otlp_endpoint,
            )
        )
    )
