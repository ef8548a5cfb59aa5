"""``importer init``: what it asks, what it writes, and that it overwrites nothing."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
from click.testing import CliRunner

from importer import cli, starting
from importer.manifests import layouts
from tests.interchanges import notice, x12
from tests.program import SECONDS, Ended, manifest, settle_in

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "https://api.example.com/v1"
CONFIG = Path("importer.toml")
SAMPLE = (
    "Doc,Our Ref,Goods,Pcs,Parcel\n"
    "4711,1001,MUG,2,1Z999AA10123456784\n"
    "4712,1002,BOWL,1,1Z999AA10300041010\n"
    "4713,1003,MUG,0,1Z999AA10300041029\n"
)
COLUMNS = ("--column", "order_id=Our Ref", "--column", "sku=Goods")
WRITTEN = f'[destinations.adm]\nbase_url = "{URL}"\ntoken_env = "ADM_TOKEN"\n'


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle_in(tmp_path, monkeypatch)
    manifest(Path("plain.csv"), "1001,MUG,1,TRACK1", "1002,MUG,1,TRACK2")
    Path("acme.csv").write_text(SAMPLE)


def init(*arguments: str, answers: Sequence[str] = ()) -> Ended:
    """Run it in this process; the answers are given line by line, and then there is nobody any more."""
    with CliRunner().isolation("".join(f"{answer}\n" for answer in answers)) as (out, err, _):
        status = cli.run(["init", *arguments])
    return Ended(status, out.getvalue().decode(), err.getvalue().decode())


def last_lines(ended: Ended) -> list[str]:
    """What it printed, without the name of the report."""
    return [line for line in ended.out.splitlines() if not line.startswith("Report: ")]


def files() -> list[str]:
    return sorted(str(path) for path in Path().iterdir() if path.suffix == ".toml")


def test_only_what_the_file_does_not_tell_is_asked(tmp_path: Path) -> None:
    ended = init("plain.csv", answers=["", "", URL, ""])

    assert ended.err.splitlines() == [
        "Kind of platform (adm, shoplazza) [adm]: ",
        "What to call the destination [adm]: ",
        f"Its address, as you were given it: {URL}",
        "Which environment variable will have the token [ADM_TOKEN]: ",
    ]
    told = "order_id = 'Order #', sku = 'Item SKU', quantity = 'Qty Shipped', tracking_number = 'Tracking #'"
    assert last_lines(ended) == [
        "importer.toml: [destinations.adm] written",
        f"no layout is needed: {told}",
        "check: All 2 rows are ready to be posted",
        "",
        "Next:   export ADM_TOKEN=…",
        "        importer check plain.csv --to adm",
        "        importer post plain.csv --to adm",
        "        importer doctor --to adm",
    ]
    assert ended.status == 0
    assert (tmp_path / CONFIG).read_text() == WRITTEN


def test_columns_that_cannot_be_told_are_asked_until_the_answer_is_one() -> None:
    Path("taken.toml").touch()
    answers = ["", "", "ftp://x", URL, "", "Our reff", "our ref", "", "Ac me", "taken", ""]
    ended = init("acme.csv", answers=answers)

    assert ended.status == 1
    assert ended.err.splitlines()[-10:] == [
        "Which environment variable will have the token [ADM_TOKEN]: ",
        "Which column is order_id (it may be Doc, Our Ref) [Doc]: Our reff",
        "Error: found 'Our reff', expected one of Doc, Our Ref, Goods, Pcs, Parcel",
        "Which column is order_id (it may be Doc, Our Ref) [Doc]: our ref",
        "Which column is sku (it may be Goods, Doc) [Goods]: ",
        "What to call the layout [acme]: Ac me",
        "Error: found 'Ac me', expected a name of small letters, digits and '-'",
        "What to call the layout [acme]: taken",
        "Error: taken.toml: it is there already; give another name, or write it anew with --force",
        "What to call the layout [acme]: ",
    ]
    told = "order_id = 'Our Ref', sku = 'Goods', quantity = 'Pcs', tracking_number = 'Parcel'"
    assert last_lines(ended)[1:] == [
        f"acme.toml: the layout written: {told}",
        "check: Of 3 rows, 2 are ready to be posted and 1 needs attention",
        "  quantity-below-one  1 row  The quantity is zero or negative.",
        "",
        "Next:   export ADM_TOKEN=…",
        "        importer check acme.csv --to adm --layout acme.toml",
        "        importer post acme.csv --to adm --layout acme.toml",
        "        importer doctor --to adm --layout acme.toml",
    ]
    layout = layouts.load("acme.toml")
    assert (layout.name, layout.constants) == ("acme", {"tracking_company": "UPS"})
    assert tomllib.loads(Path("acme.toml").read_text())["columns"] == {
        "order_id": ["Our Ref"],
        "sku": ["Goods"],
        "quantity": ["Pcs"],
        "tracking_number": ["Parcel"],
    }


def test_a_layout_that_fits_is_named() -> None:
    sample = Path(__file__).parents[1] / "samples" / "veeqo" / "manifest.csv"

    ended = init(str(sample), "--yes", "--url", URL)

    assert ended.out.splitlines()[1].startswith(
        "no layout is needed, as veeqo fits: order_id = 'Order Number', "
    )


def test_a_conversation_at_a_terminal() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "importer", "init", "plain.csv", "--to", "adm"]
    with subprocess.Popen(command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, text=True) as process:
        os.write(ours, f"mine\n{URL}\n\n".encode())
        out, _ = process.communicate(timeout=SECONDS)
    os.close(theirs)
    os.close(ours)

    assert (process.returncode, out.splitlines()[0]) == (0, "importer.toml: [destinations.mine] written")
    assert CONFIG.read_text() == (
        f'[destinations.mine]\nkind = "adm"\nbase_url = "{URL}"\ntoken_env = "MINE_TOKEN"\n'
    )


def test_a_script_says_all_of_it_and_reads_what_was_decided() -> None:
    ended = init(
        *("acme.csv", "--yes", "--json", "--to", "shoplazza", "--name", "shop", "--url", URL),
        *("--token-file", "shop.token", "--layout-name", "acme-daily"),
        *("--column", "ORDER ID=our ref", "--column", "sku=Goods"),
    )

    found = ended.summary
    assert (ended.status, ended.err) == (1, "")
    assert {key: found[key] for key in found if key not in {"rows", "report"}} == {
        "manifest": "acme.csv",
        "config": "importer.toml",
        "destination": {"name": "shop", "kind": "shoplazza", "base_url": URL, "token_file": "shop.token"},
        "layout": "acme-daily.toml",
        "columns": {
            "order_id": "Our Ref",
            "sku": "Goods",
            "quantity": "Pcs",
            "tracking_number": "Parcel",
        },
        "written": ["importer.toml", "acme-daily.toml"],
        "errors": {"quantity-below-one": 1},
        "exit_status": 1,
    }
    assert layouts.load("acme-daily.toml").name == "acme-daily"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plain.csv", "--yes"], "--url: needed with --yes: its address, as you were given it"),
        (["plain.csv", "--yes", "--url", "http://x.example"], '--url: found "http://x.example", expected an'),
        (["plain.csv", "--yes", "--name", "a b"], "--name: found 'a b', expected a name of letters"),
        (
            ["plain.csv", "--yes", "--url", URL, "--token-env", "A", "--token-file", "b"],
            "--token-env and --token-file: give one of them",
        ),
        (
            ["acme.csv", "--yes", "--url", URL],
            "is order_id; say it with --column order_id=\"HEADER\"; likely: 'Doc', 'Our Ref'",
        ),
        (
            ["acme.csv", "--yes", "--url", URL, "--column", "order_id=Ref"],
            "--column order_id=\"Ref\": found 'Ref', expected one of Doc, Our Ref, Goods, Pcs, Parcel",
        ),
        (["acme.csv", "--column", "order=Doc"], "found 'order=Doc', expected COLUMN=HEADER, as in order_id="),
        (["-", "--yes"], "MANIFEST: standard input is for the answers; name a file"),
        (
            ["acme.csv", "--yes", "--url", URL, *COLUMNS, "--layout-name", "importer"],
            "--layout-name: found 'importer', expected a name of small letters",
        ),
    ],
)
def test_what_may_not_be_asked_has_to_be_said_and_nothing_is_written(
    arguments: list[str], words: str
) -> None:
    ended = init(*arguments)

    assert (ended.status, ended.out, files()) == (2, "", [])
    assert words in ended.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.csv", b"", "the file is empty"),
        ("header.csv", b"Order,Thing\n", "no data below row 1"),
        ("prose.txt", b"Dear all,\nthe parcels come later\n\nRegards\n", "is it a manifest?"),
        ("binary.bin", bytes(range(256)) * 40, ""),
        ("nothing.csv", None, "nothing.csv: no such file"),
    ],
)
def test_what_is_no_manifest_is_told_before_anything_is_written(
    name: str, content: bytes | None, words: str
) -> None:
    if content is not None:
        Path(name).write_bytes(content)

    ended = init(name, "--yes", "--url", URL)

    assert (ended.status, ended.out, files()) == (3, "", [])
    assert words in ended.err


def test_a_workbook_and_edi_are_set_up_as_well() -> None:
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for line in SAMPLE.splitlines():
        sheet.append(line.split(","))
    book.save("acme.xlsx")
    Path("asn.edi").write_text(x12("856", notice("1001", "1Z999AA10123456784", ("MUG", 2))))

    workbook = init(*("acme.xlsx", "--yes", "--url", URL, *COLUMNS))
    interchange = init("asn.edi", "--yes", "--json")

    assert (workbook.status, last_lines(workbook)[2]) == (
        1,
        "check: Of 3 rows, 2 are ready to be posted and 1 needs attention",
    )
    assert (interchange.summary["layout"], interchange.summary["columns"]) == ("asn.toml", {})
    assert layouts.load("asn.toml").edi is not None
    assert (interchange.status, interchange.summary["written"]) == (0, ["asn.toml"])


def test_what_is_there_already_is_kept_and_used() -> None:
    CONFIG.write_text(f"# ours\n{WRITTEN}")

    used = init("plain.csv", "--yes")
    again = init("plain.csv", "--yes", "--name", "adm", "--url", "https://other.example")
    more = init("plain.csv", "--yes", "--name", "shop", "--to", "shoplazza", "--url", URL)

    assert (used.status, used.out.splitlines()[0]) == (
        0,
        "importer.toml: [destinations.adm] stays as it is",
    )
    assert again.status == 2
    assert "importer: importer.toml: [destinations.adm] is there already; leave out what" in again.err
    assert more.status == 0
    assert CONFIG.read_text() == (
        f"# ours\n{WRITTEN}\n"
        f'[destinations.shop]\nkind = "shoplazza"\nbase_url = "{URL}"\ntoken_env = "SHOP_TOKEN"\n'
    )


def test_with_force_the_destination_and_the_layout_are_written_anew() -> None:
    CONFIG.write_text(
        f'[destinations.adm]\nbase_url = "https://old.example"\n\n{WRITTEN.replace("adm", "shoplazza")}'
    )
    Path("acme.toml").write_text("ours")
    told = ("acme.csv", "--yes", "--name", "adm", *COLUMNS)

    refused = init(*told)
    before = Path("acme.toml").read_text()
    forced = init(*told, "--url", URL, "--force")

    assert (refused.status, before) == (2, "ours")
    assert "acme.toml: it is there already" in refused.err
    assert forced.status == 1
    assert CONFIG.read_text() == f"{WRITTEN}\n{WRITTEN.replace('adm', 'shoplazza')}"
    assert layouts.load("acme.toml").name == "acme"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "NEW\n"),
        ("# a\n", "# a\n\nNEW\n"),
        ("[destinations.b]\nx = 1\n", "[destinations.b]\nx = 1\n\nNEW\n"),
        ("# a\n[destinations.adm]\nx = 1\n\n[destinations.b]\n", "# a\n\nNEW\n\n[destinations.b]\n"),
        ('[ destinations . "adm" ]\nx = 1\n[destinations.adm.extra]\ny = 1\n', "NEW\n"),
    ],
)
def test_a_destination_takes_the_place_of_the_one_before(text: str, expected: str) -> None:
    assert starting.with_destination(text, "adm", "NEW\n") == expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f'[destinations]\nadm = {{base_url = "{URL}", token_env = "OLD"}}\n', "adm"),
        (f'destinations.adm = {{base_url = "{URL}", token_env = "OLD"}}\n', "adm"),
        (f'destinations = {{adm = {{base_url = "{URL}"}}}}\n', "other"),
    ],
)
def test_a_configuration_that_would_be_spoilt_is_left_as_it_is(text: str, name: str) -> None:
    CONFIG.write_text(text)

    ended = init(*("acme.csv", "--yes", "--force", "--name", name, "--to", "adm", "--url", URL, *COLUMNS))

    kind = "" if name == "adm" else 'kind = "adm"\n'
    assert (ended.status, ended.out, CONFIG.read_text(), files()) == (2, "", text, ["importer.toml"])
    assert ended.err == (
        f"importer: importer.toml: [destinations.{name}] can't be put into it as it is written; nothing was "
        "changed; write this table yourself, in the place of the one that is there:\n\n"
        f'[destinations.{name}]\n{kind}base_url = "{URL}"\ntoken_env = "{name.upper()}_TOKEN"\n\n'
    )


def test_a_configuration_behind_a_link_stays_there_with_its_mode() -> None:
    place = Path("etc/nightly.toml")
    place.parent.mkdir()
    place.write_text("# ours\n")
    place.chmod(0o600)
    CONFIG.symlink_to(place)

    ended = init("plain.csv", "--yes", "--url", URL)

    assert (ended.status, CONFIG.readlink(), place.read_text()) == (0, place, f"# ours\n\n{WRITTEN}")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_configuration_elsewhere_is_made_there_and_named_in_the_commands() -> None:
    with CliRunner().isolation() as (out, _, _):
        status = cli.run(["--config", "etc/nightly.toml", "init", "plain.csv", "--yes", "--url", URL])

    assert status == 0
    assert Path("etc/nightly.toml").read_text() == WRITTEN
    assert out.getvalue().decode().splitlines()[-4:] == [
        "Next:   export ADM_TOKEN=…",
        "        importer --config etc/nightly.toml check plain.csv --to adm",
        "        importer --config etc/nightly.toml post plain.csv --to adm",
        "        importer --config etc/nightly.toml doctor --to adm",
    ]


def test_a_configuration_that_was_used_as_it_is_is_named_in_the_commands() -> None:
    Path("night.toml").write_text(WRITTEN)

    with CliRunner().isolation() as (out, _, _):
        status = cli.run(["--config", "night.toml", "init", "plain.csv", "--yes"])

    assert status == 0
    assert out.getvalue().decode().splitlines()[-1] == (
        "        importer --config night.toml doctor --to adm"
    )


def test_the_layout_is_never_the_configuration() -> None:
    arguments = ["--config", "acme.toml", "init", "acme.csv", "--yes", "--url", URL, *COLUMNS, "--force"]

    with CliRunner().isolation() as (_, err, _):
        status = cli.run(arguments)

    words = "--layout-name: found 'acme', expected another name: acme.toml is the configuration"
    assert (status, files()) == (2, [])
    assert words in err.getvalue().decode()


def test_nobody_who_answers_is_an_interruption_and_nothing_is_written() -> None:
    ended = init("plain.csv", answers=["adm"])

    assert (ended.status, files()) == (130, [])
