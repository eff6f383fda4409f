"""What puts Envoy and the router into pods of Kubernetes, and drains those of a gateway."""

import argparse
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Never

from sidecar.cli import values
from sidecar.cli.exit_codes import EXIT_BROKEN, EXIT_UNUSABLE, Commands, lacking, run_told, run_tool

# Where the kubelet puts a pod's token and the API server's CA.
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


def add_inject(commands: Commands) -> None:
    """The command's options."""
    inject = commands.add_parser(
        "inject",
        help="put Envoy and the router into the pods of Kubernetes manifests",
        description="Print manifests with Envoy and the router in every pod whose template has the label "
        "envoy-llm-sidecar.io/inject: 'true', as the webhook would inject it: of Pods, Deployments, StatefulSets, "
        "DaemonSets, Jobs, CronJobs, and of whatever else has a pod template. All other documents are printed as "
        "they are, to the byte; a changed one loses its comments. If a pod cannot be injected, nothing is printed.",
    )
    what = inject.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "-f",
        "--file",
        dest="files",
        type=Path,
        action="append",
        metavar="FILE",
        help="YAML or JSON, of any number of documents; - is standard input; can be repeated",
    )
    what.add_argument(
        "--admission-policy",
        action="store_true",
        help="print the admission policies with which a cluster from 1.36 on injects by itself, with these defaults",
    )
    inject.add_argument(
        "--defaults",
        type=Path,
        metavar="FILE",
        help="settings for what annotations leave open: a YAML file whose keys are those of the annotations",
    )
    inject.add_argument(
        "--all",
        action="store_true",
        help="also pods without the label, unless theirs is envoy-llm-sidecar.io/inject: 'false'",
    )
    inject.add_argument("--json", action="store_true", help="for programs: a List as JSON, also of a failure")
    inject.set_defaults(run=_inject)


def _inject(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.injection.command import InjectOptions, run_admission_policies, run_inject

        if options.admission_policy:
            return run_admission_policies(options.defaults, as_json=options.json)
        return run_inject(
            InjectOptions(
                files=tuple(options.files),
                defaults=options.defaults,
                injects_all=options.all,
                as_json=options.json,
            )
        )

    return run_tool(run, as_json=options.json)


def add_webhook(commands: Commands) -> None:
    """The command's options."""
    webhook = commands.add_parser(
        "webhook",
        help="inject into pods as Kubernetes creates them",
        description="Answer the admission reviews of Kubernetes' API server at /inject until SIGTERM. The "
        "certificate is read again when its files change.",
    )
    webhook.add_argument(
        "--listen",
        default="0.0.0.0:8443",  # the API server asks from another machine
        type=values.address,
        metavar="HOST:PORT",
        help="for the API server, with TLS (default: 0.0.0.0:8443)",
    )
    webhook.add_argument("--certificate", type=Path, required=True, metavar="FILE", help="PEM, its chain after it")
    webhook.add_argument("--key", type=Path, required=True, metavar="FILE", help="its private key, PEM")
    webhook.add_argument(
        "--defaults",
        type=Path,
        metavar="FILE",
        help="settings for what annotations leave open: a YAML file whose keys are those of the annotations",
    )
    webhook.add_argument(
        "--http",
        default="127.0.0.1:9902",
        type=values.address_or_none,
        metavar="HOST:PORT",
        help="/healthz, /readyz and /metrics without TLS, or none: then only the first two, with TLS "
        "(default: 127.0.0.1:9902)",
    )
    webhook.add_argument(
        "--drain-seconds",
        default=5,
        type=values.positive,
        metavar="N",
        help="how long it goes on after SIGTERM, while Kubernetes takes it from the Service (default: 5)",
    )
    webhook.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error"), help="(default: info)"
    )
    webhook.set_defaults(run=_webhook)


def _webhook(options: argparse.Namespace) -> int:
    def run() -> int:
        from sidecar.injection.settings import BUILT_IN, load_defaults
        from sidecar.lifecycle import StartError, run_service

        try:
            from sidecar.injection.serving_certificate import CertificateFileError
            from sidecar.injection.webhook import Webhook, WebhookOptions
        except ModuleNotFoundError as error:
            raise lacking(error, "webhook", "kubernetes") from error

        _log_to_stderr(options.log_level)
        webhook = WebhookOptions(
            listen=options.listen,
            http=options.http,
            certificate=options.certificate,
            key=options.key,
            defaults=BUILT_IN if options.defaults is None else load_defaults(options.defaults),
            drain_seconds=options.drain_seconds,
        )
        try:
            run_service(lambda: Webhook(webhook), (CertificateFileError,))
        except StartError as error:
            print(f"sidecar: {error}", file=sys.stderr)
            return EXIT_UNUSABLE
        return 0

    return run_told(run)


def add_certificate(commands: Commands) -> None:
    """The command's options."""
    certificate = commands.add_parser(
        "certificate",
        help="make and renew the webhook's certificate, from a pod",
        description="Make a CA and a certificate for the webhook's Service, put them into a Secret, and the CA into "
        "the webhook's configuration, so that the API server trusts it. Run again, it renews a certificate that ends "
        "within 30 days, and otherwise writes nothing. It runs in a pod whose service account may do that.",
    )
    for name, default, what in (
        ("service", "llm-sidecar-webhook", "the Service that the API server calls"),
        ("namespace", "llm-sidecar-system", "of the Service and of the Secret"),
        ("secret", "llm-sidecar-webhook-tls", "the Secret, with tls.crt, tls.key and ca.crt"),
        ("webhook", "llm-sidecar-webhook", "the MutatingWebhookConfiguration"),
    ):
        certificate.add_argument(f"--{name}", default=default, metavar="NAME", help=f"{what} (default: {default})")
    certificate.add_argument(
        "--service-account",
        default=_SERVICE_ACCOUNT,
        type=Path,
        metavar="DIR",
        help=f"with token and ca.crt (default: {_SERVICE_ACCOUNT})",
    )
    certificate.set_defaults(run=_certificate)


def _certificate(options: argparse.Namespace) -> int:
    def run() -> int:
        try:
            from sidecar.injection.api_server import ApiError, ApiServer
            from sidecar.injection.certificate import CertificateOptions, ensure_certificate
        except ModuleNotFoundError as error:
            raise lacking(error, "certificate", "kubernetes") from error

        _log_to_stderr("info")
        names = CertificateOptions(
            service=options.service, namespace=options.namespace, secret=options.secret, webhook=options.webhook
        )
        try:
            api = ApiServer.in_cluster(os.environ, options.service_account)
            ensure_certificate(api, names, datetime.now(UTC))
        except ApiError as error:
            print(f"sidecar: {error}", file=sys.stderr)
            return EXIT_BROKEN
        return 0

    return run_tool(run)


def add_drain(commands: Commands) -> None:
    """The command's options."""
    drain = commands.add_parser(
        "drain",
        help="wait for SIGTERM, then let Envoy finish what is under way",
        description="Do nothing until SIGTERM. Then take Envoy out of service, and end when nothing is under way in "
        "it: with 0, or with 1 if something still is. Envoy is to be ended after this process.",
    )
    drain.add_argument(
        "--admin",
        default=("127.0.0.1", 9901),
        type=values.address,
        metavar="HOST:PORT",
        help="Envoy's admin interface (default: 127.0.0.1:9901)",
    )
    drain.add_argument(
        "--min-seconds",
        default=5.0,
        type=values.seconds,
        metavar="N",
        help="drain at least so long: clients may yet come (default: 5)",
    )
    drain.add_argument(
        "--idle-seconds",
        default=30.0,
        type=values.seconds,
        metavar="N",
        help="as long as this for clients that keep connections on which nothing is under way (default: 30)",
    )
    drain.add_argument(
        "--max-seconds",
        default=600.0,
        type=values.seconds,
        metavar="N",
        help="then end, whatever is under way; below the pod's terminationGracePeriodSeconds (default: 600)",
    )
    drain.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.max_seconds < options.min_seconds:
        print("sidecar: --max-seconds is less than --min-seconds", file=sys.stderr)
        return EXIT_UNUSABLE
    return _become_drain(options)


def _become_drain(options: argparse.Namespace) -> Never:
    """A process of its own in place of this one, which has imported twice what that needs."""
    from sidecar import drain

    host, port = options.admin
    limits = (options.min_seconds, options.idle_seconds, options.max_seconds)
    script = [drain.__file__, host, str(port), *map(str, limits)]
    os.execv(sys.executable, [sys.executable, "-I", "-S", *script])  # noqa: S606


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
