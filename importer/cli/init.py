"""``importer init``: from a sample manifest to a configuration and a layout, in one conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from importer import settings

if TYPE_CHECKING:
    from importer.cli.common import Common


def _columns(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    if not values:
        return {}
    from schemas.manifest import CANONICAL  # noqa: PLC0415 - --help needs none of it

    found: dict[str, str] = {}
    for value in values:
        column, equals, header = map(str.strip, value.partition("="))
        name = column.lower().replace("-", "_").replace(" ", "_")
        if not equals or not header or name not in CANONICAL:
            known = ", ".join(CANONICAL)
            raise click.BadParameter(
                f'found {value!r}, expected COLUMN=HEADER, as in order_id="Sales Order"; columns are {known}'
            )
        if found.setdefault(name, header) != header:
            raise click.BadParameter(
                f"found {name} twice, {found[name]!r} and {header!r}, expected one header"
            )
    return found


@click.command()
@click.argument("manifest", metavar="MANIFEST")
@click.option("--to", type=click.Choice(settings.KINDS), help="The kind of platform to post to.")
@click.option("--name", metavar="NAME", help="What to call the destination  [default: as its kind]")
@click.option("--url", metavar="URL", help="The destination's base_url, the address that you were given.")
@click.option(
    "--token-env",
    metavar="NAME",
    help="The environment variable that will have the token  [default: NAME_TOKEN]",
)
@click.option("--token-file", metavar="FILE", help="Or the file that will have it.")
@click.option(
    "--column",
    "columns",
    metavar="COLUMN=HEADER",
    multiple=True,
    callback=_columns,
    envvar="IMPORTER_INIT_COLUMN",
    help='Which header a column has, as in order_id="Sales Order". May be repeated.',
)
@click.option(
    "--carrier",
    metavar="NAME",
    help="Who has all parcels of such files, where no column says it; none: nobody.",
)
@click.option("--layout-name", metavar="NAME", help="What to call the layout, if one is needed.")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take what is not said as it is proposed.")
@click.option(
    "--force", is_flag=True, help="Change the destination that is there already, and write its layout anew."
)
@click.option("--json", "as_json", is_flag=True, envvar="IMPORTER_INIT_JSON", help="Print JSON.")
@click.pass_obj
def init(common: Common, /, manifest: str, **options: Any) -> int:  # noqa: ANN401 - click hands over each option by name
    """Write the configuration, and a layout if MANIFEST needs one, and check MANIFEST with them.

    MANIFEST is a sample of what is to be posted. Only what it doesn't tell is asked. What is there already is
    never overwritten without --force, and no token is ever written: the configuration names the environment
    variable, or the file, that has it. The exit status is that of the check.

    \b
    importer init manifest.csv
    importer init manifest.csv --yes --to adm --url https://api.example.com --column order_id="Sales Order"
    """  # noqa: D301 - click takes \b for text to be left as it is
    from importer.cli import conversation  # noqa: PLC0415 - --help needs none of it

    return conversation.hold(common, manifest, options)
