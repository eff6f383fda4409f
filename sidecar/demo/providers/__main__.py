"""The providers as a process of their own: `python -m sidecar.demo.providers`.

Prints one line of JSON when it is ready: {"ports", "control_port", "ca_file", "keys", "pid"}.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from sidecar.demo.providers.catalog import DEMO_KEYS, PROVIDERS
from sidecar.demo.providers.control import ControlPort
from sidecar.demo.providers.embedded import EmbeddedProviders
from sidecar.demo.providers.received import DEFAULT_LIMIT


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sidecar.demo.providers", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    for provider in PROVIDERS:
        parser.add_argument(f"--port-{provider.name}", type=int, default=0, help="default: a free port")
        parser.add_argument(f"--key-{provider.name}", default=DEMO_KEYS[provider.name])
    parser.add_argument("--control-port", type=int, default=0, help="default: a free port")
    parser.add_argument("--ca-dir", type=Path, help="where ca.pem goes; default: a temporary folder")
    parser.add_argument("--event-ms", type=float, default=0, help="pause between the events of a stream")
    parser.add_argument("--record", type=int, default=DEFAULT_LIMIT, help="requests to remember; 0 for none")
    parser.add_argument("--plain", action="store_true", help="HTTP instead of HTTPS")
    return parser.parse_args()


async def _serve(options: argparse.Namespace) -> None:
    names = [provider.name for provider in PROVIDERS]
    providers = EmbeddedProviders(
        options.host,
        {name: getattr(options, f"port_{name}") for name in names},
        {name: getattr(options, f"key_{name}") for name in names},
        event_seconds=options.event_ms / 1000,
        is_tls=not options.plain,
        record_limit=options.record,
        ca_dir=options.ca_dir,
    )
    control = ControlPort(providers, options.host, options.control_port)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await providers.start()
        await control.start()
        sys.stdout.write(json.dumps(_description(providers, control)) + "\n")
        sys.stdout.flush()
        await stopped.wait()
    finally:
        await control.stop()
        await providers.stop()


def _description(providers: EmbeddedProviders, control: ControlPort) -> dict[str, object]:
    return {
        "ports": providers.ports,
        "control_port": control.port,
        "ca_file": None if providers.ca_file is None else str(providers.ca_file),
        "keys": providers.keys,
        "pid": os.getpid(),
    }


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    options = _arguments()
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(options))
    else:
        uvloop.run(_serve(options))


if __name__ == "__main__":
    main()
