"""``importer sandbox``: the order platform on loopback, in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from importer.errors import SetupError
from importer.sandbox import Store, serve

_PORT: Final = 8765


@click.command()
@click.argument("orders", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback only.")
@click.option("--port", type=int, default=_PORT, show_default=True, help="0: any that is free.")
@click.option(
    "--token-env", metavar="NAME", help="Environment variable with the token that requests must bring."
)
def sandbox(orders: Path | None, host: str, port: int, token_env: str | None) -> int:
    """Serve the ADM endpoint on loopback, to try things out without credentials.

    ORDERS is a JSON file with the orders that have something left to ship; without it any order is accepted.
    Open the address it prints in a browser to see what it has received.
    """
    token = _token(token_env)
    store = Store.from_file(orders) if orders else Store.any_order()
    serve(
        store,
        host,
        port,
        token,
        lambda url: click.echo(f"sandbox at {url}  (POST {url}/fulfillments/create)"),
    )
    return 0


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise SetupError(f"--token-env {name}: the environment variable is not set")
    return os.environ[name]
