"""``importer sandbox``: the order platforms on loopback, in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from importer.errors import SetupError
from importer.sandbox import REHEARSALS, Bucket, Faults, rehearsal, serve, stock

_PORT: Final = 8765


def _epilog() -> str:
    width = max(map(len, REHEARSALS))
    lines = "\n".join(f"  {name:{width}}  {description}" for name, description in REHEARSALS.items())
    return f"\b\nRehearsals:\n{lines}"


@click.command(epilog=_epilog())
@click.argument("orders", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option("--port", type=int, default=_PORT, show_default=True, help="0: any that is free.")
@click.option(
    "--token-env",
    metavar="NAME",
    help="Environment variable with the token that requests must bring: to ADM in X-ADM-Access-Token or "
    "Authorization, to Shoplazza in access-token.",
)
@click.option(
    "--leaky-bucket",
    is_flag=True,
    help="Refuse Shoplazza's requests as it does: 40 at once, then 2 a second, and 429 for what is over.",
)
@click.option(
    "--faults",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Misbehave as this TOML file says.",
)
@click.option(
    "--rehearse",
    type=click.Choice(list(REHEARSALS)),
    metavar="NAME",
    help=f"Misbehave as in a rehearsal: {', '.join(REHEARSALS)}.",
)
def sandbox(
    orders: Path | None,
    host: str,
    port: int,
    token_env: str | None,
    *,
    leaky_bucket: bool,
    faults: Path | None,
    rehearse: str | None,
) -> int:
    """Serve ADM and Shoplazza on loopback, to try things out without credentials.

    ORDERS is a JSON file with the orders that have something left to ship, ADM's in "orders" and Shoplazza's
    in "shoplazza"; without it any order is accepted. Open the address it prints in a browser to see what it
    has received.
    """
    token = _token(token_env)
    misbehaviour = _faults(faults, rehearse)
    store, shop = stock.from_file(orders) if orders else stock.any_order()
    bucket = Bucket() if leaky_bucket else None

    def ready(url: str) -> None:
        click.echo(_announcement(url, misbehaviour.words))

    serve(store, host, port, token, ready, misbehaviour, shop=shop, bucket=bucket)
    return 0


def _announcement(url: str, faults: str) -> str:
    lines = [
        f"sandbox at {url}",
        f"  ADM        POST {url}/fulfillments/create",
        f"  Shoplazza  PUT  {url}/openapi/2022-01/orders/ORDER/fulfillments/FULFILLMENT",
    ]
    return "\n".join([*lines, *([f"faults in force: {faults}"] if faults else [])])


def _faults(path: Path | None, name: str | None) -> Faults:
    if path and name:
        raise click.UsageError("--faults and --rehearse contradict each other; choose one of them")
    if name:
        return rehearsal(name)
    return Faults.from_file(path) if path else Faults.none()


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise SetupError(f"--token-env {name}: the environment variable is not set")
    return os.environ[name]
