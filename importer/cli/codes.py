"""``importer codes``: what each code of a report means, what to do about it, and an example."""

from __future__ import annotations

import difflib
import json

import click

from importer.cli.common import Common, printing
from schemas.codes import CODES, is_code


@click.command()
@click.argument("code", required=False)
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_CODES_JSON", help="Print a JSON array.")
@click.pass_obj
def codes(common: Common, code: str | None, *, as_json: bool) -> int:
    """Tell what the codes of a report mean, what to do about each, and an example.

    With CODE it is that one alone, such as bad-quantity or destination-404.
    """
    from importer.report import glossary  # noqa: PLC0415 - --help needs none of it

    names = [*CODES] if code is None else [_known(code)]
    with printing():
        if as_json:
            click.echo(json.dumps(glossary.as_json(names), indent=2))
        else:
            glossary.show(common.out, names)
    return 0


def _known(code: str) -> str:
    if is_code(code):
        return code
    near = difflib.get_close_matches(code, CODES, n=1)
    meant = f", the nearest is {near[0]}" if near else ""
    raise click.UsageError(f"{code}: there is no such code{meant}; 'importer codes' lists all")
