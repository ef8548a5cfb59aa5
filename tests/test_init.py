"""``importer init``: what it asks, what it writes, and that it overwrites nothing."""

from __future__ import annotations

import os
import pty
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest
from click.testing import CliRunner

from importer import cli, starting
from importer.manifests import layouts
from tests.interchanges import notice, x12
from tests.program import HEADER, SECONDS, Ended, manifest, settle_in

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
    answers = ["", "", "ftp://x", URL, "", "Our reff", "our ref", "", "UPS", "Ac me", "taken", ""]
    ended = init("acme.csv", answers=answers)

    assert ended.status == 1
    assert ended.err.splitlines()[-11:] == [
        "Which environment variable will have the token [ADM_TOKEN]: ",
        "Which column is order_id (it may be Doc, Our Ref): Our reff",
        "Error: found 'Our reff', expected one of Doc, Our Ref, Goods, Pcs, Parcel",
        "Which column is order_id (it may be Doc, Our Ref): our ref",
        "Which column is sku (it may be Goods, Doc) [Goods]: ",
        "Carrier of all such parcels (no column names the carrier, and 3 of 3 numbers are UPS's) [none]: UPS",
        "What to call the layout [acme]: Ac me",
        "Error: found 'Ac me', expected a name of small letters, digits and '-'",
        "What to call the layout [acme]: taken",
        "Error: taken.toml: it is there already; give another name, or write it anew with --force",
        "What to call the layout [acme]: ",
    ]
    told = "order_id = 'Our Ref', sku = 'Goods', quantity = 'Pcs', tracking_number = 'Parcel'"
    assert last_lines(ended)[1:] == [
        f"acme.toml: the layout written: {told}, tracking_company = 'UPS' in all rows",
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
        "carrier": "",
        "likely_carrier": "UPS",
        "changed": [],
        "errors": {"quantity-below-one": 1},
        "exit_status": 1,
    }
    layout = layouts.load("acme-daily.toml")
    assert (layout.name, layout.constants) == ("acme-daily", {})


def test_a_carrier_that_nobody_has_named_is_told_and_not_taken() -> None:
    told = "order_id = 'Our Ref', sku = 'Goods', quantity = 'Pcs', tracking_number = 'Parcel'"

    silent = init("acme.csv", "--yes", "--url", URL, *COLUMNS)
    nobody = init("acme.csv", "--yes", *COLUMNS, "--carrier", "none", "--layout-name", "two")
    answered = init("acme.csv", *COLUMNS, answers=["", ""])
    said = init("plain.csv", "--yes", "--carrier", "DHL")

    assert last_lines(silent)[1:4] == [
        f"acme.toml: the layout written: {told}",
        "  no column names the carrier, and 3 of 3 numbers are UPS's; if all parcels of such files are,",
        "  take the # off [constants] and tracking_company there",
    ]
    assert (
        Path("acme.toml")
        .read_text()
        .endswith(
            "# no column names the carrier, and 3 of 3 numbers are UPS's;\n"
            "# if one carrier has all parcels of such files, take the # away:\n"
            "# [constants]\n"
            '# tracking_company = "UPS"\n'
        )
    )
    assert (last_lines(nobody)[1], last_lines(nobody)[2][:5]) == (
        f"two.toml: the layout written: {told}",
        "check",
    )
    assert (answered.err, last_lines(answered)[1]) == ("", f"acme.toml: the layout stays as it is: {told}")
    assert last_lines(said)[1].endswith(", tracking_company = 'DHL' in all rows")
    assert layouts.load("plain.toml").constants == {"tracking_company": "DHL"}


def test_a_decimal_comma_is_written_into_the_layout() -> None:
    Path("komma.csv").write_text("Bestellung;Ware;Menge;Sendung\n1;MUG;2,0;1Z999AA10123456784\n")

    ended = init("komma.csv", "--yes", "--url", URL, "--column", "sku=Ware")

    assert (ended.status, layouts.load("komma.toml").decimal_comma) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plain.csv", "--yes"], "--yes asks nothing; say it with\n  --url URL: its address, as you were"),
        (["plain.csv", "--yes", "--url", "http://x.example"], '--url: found "http://x.example", expected an'),
        (["plain.csv", "--yes", "--name", "a b"], "--name: found 'a b', expected a name of letters"),
        (
            ["plain.csv", "--yes", "--url", URL, "--token-env", "A", "--token-file", "b"],
            "--token-env and --token-file: give one of them",
        ),
        (
            ["acme.csv", "--yes"],
            (
                "--yes asks nothing; say it with\n  --url URL: its address, as you were given it\n"
                '  --column order_id="HEADER": no header says it for sure; it may be Doc, Our Ref\n'
                '  --column sku="HEADER": no header says it for sure; it may be Goods, Doc, Our Ref\n'
            ),
        ),
        (
            ["trackless.csv", "--yes", "--url", URL],
            '"HEADER": no column looks like a tracking_number; the file has Order, SKU, Qty, City',
        ),
        (
            ["carrier.csv", "--yes", "--url", URL, "--column", "sku=Item SKU", "--carrier", "UPS"],
            "--carrier: the column 'Carrier' says it; leave it out",
        ),
        (
            ["asn.edi", "--yes", "--url", URL, "--carrier", "UPS"],
            "--column, --carrier: asn.edi is EDI; leave them out",
        ),
        (
            ["acme.csv", "--yes", "--url", URL, "--column", "order_id=Ref"],
            "--column order_id=\"Ref\": found 'Ref', expected one of Doc, Our Ref, Goods, Pcs, Parcel",
        ),
        (["acme.csv", "--column", "order=Doc"], "found 'order=Doc', expected COLUMN=HEADER, as in order_id="),
        (
            ["acme.csv", "--column", "order_id=Doc", "--column", "Order ID=Our Ref"],
            "'--column': found order_id twice, 'Doc' and 'Our Ref', expected one header",
        ),
        (["-", "--yes"], "MANIFEST: standard input is for the answers; name a file"),
        (
            ["acme.csv", "--yes", "--url", URL, *COLUMNS, "--layout-name", "importer"],
            "--layout-name: found 'importer', expected another name: importer.toml is the configuration",
        ),
        (
            ["acme.csv", "--yes", "--url", URL, *COLUMNS, "--layout-name", "-acme"],
            "--layout-name: found '-acme', expected a small letter or a digit first",
        ),
        (
            ["acme.csv", "--yes", "--url", URL, *COLUMNS, "--layout-name", "a" * 51],
            "--layout-name: found 51 characters, expected at most 50",
        ),
        (
            ["acme.csv", "--yes", "--url", URL, "--column", "order_id=Goods", "--column", "sku=goods"],
            "--column sku=\"goods\": found 'goods', which is order_id already; name another",
        ),
        (
            ["acme.csv", "--yes", "--url", URL, "--column", "order_id=Pcs", "--column", "sku=Goods"],
            "--column order_id=\"Pcs\": found 'Pcs', which is quantity already; name another",
        ),
        (
            ["twice.csv", "--yes", "--url", URL, "--column", "order_id=nr"],
            "found 'nr', the name of 2 columns; rename all but one of them in the file",
        ),
    ],
)
def test_what_may_not_be_asked_has_to_be_said_and_nothing_is_written(
    arguments: list[str], words: str
) -> None:
    Path("trackless.csv").write_text("Order,SKU,Qty,City\n1001,MUG,2,Bonn\n1002,BOWL,1,Rom\n")
    Path("carrier.csv").write_text(f"{HEADER},Carrier\n1001,MUG,1,TRACK1,UPS\n")
    Path("twice.csv").write_text("Nr,Nr.,SKU,Qty,Parcel\n1001,1,MUG,2,1Z999AA10123456784\n")
    Path("asn.edi").write_text(x12("856", notice("1001", "1Z999AA10123456784", ("MUG", 2))))

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
        (".", None, ".: 2 files; name the one to begin with: acme.csv, plain.csv"),
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

    assert (workbook.status, last_lines(workbook)[4]) == (
        1,
        "check: Of 3 rows, 2 are ready to be posted and 1 needs attention",
    )
    assert (interchange.summary["layout"], interchange.summary["columns"]) == ("asn.toml", {})
    assert layouts.load("asn.toml").edi is not None
    assert (interchange.status, interchange.summary["written"]) == (0, ["asn.toml"])


def test_files_of_an_archive_are_named_to_be_unpacked_and_an_empty_folder_is_no_sample() -> None:
    Path("inbox").mkdir()
    with zipfile.ZipFile("both.zip", "w") as archive:
        archive.write("acme.csv")
        archive.write("plain.csv")

    both, none = init("both.zip", "--yes"), init("inbox", "--yes")

    words = "name the one to begin with, unpacked: both.zip/acme.csv, both.zip/plain.csv"
    assert (both.status, both.err) == (3, f"importer: both.zip: 2 files; {words}\n")
    assert (none.status, none.err) == (
        3,
        "importer: inbox: there is no file in it; name a manifest to begin with\n",
    )


def test_what_is_there_already_is_kept_and_used() -> None:
    CONFIG.write_text(f"# ours\n{WRITTEN}")

    used = init("plain.csv", "--yes")
    again = init("plain.csv", "--yes", "--name", "adm", "--url", "https://other.example", "--token-env", "X")
    more = init("plain.csv", "--yes", "--name", "shop", "--to", "shoplazza", "--url", URL)

    assert (used.status, used.out.splitlines()[0]) == (
        0,
        "importer.toml: [destinations.adm] stays as it is",
    )
    assert again.status == 2
    assert again.err == (
        "importer: importer.toml: [destinations.adm] is there already, with another base_url, token_env; "
        "leave out what it says, give another --name, or change it with --force\n"
    )
    assert more.status == 0
    assert CONFIG.read_text() == (
        f"# ours\n{WRITTEN}\n"
        f'[destinations.shop]\nkind = "shoplazza"\nbase_url = "{URL}"\ntoken_env = "SHOP_TOKEN"\n'
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--url", "http://x.example"], '--url: found "http://x.example", expected an address'),
        (["--token-env", "a-token"], "--token-env: found text that is not shown, since it may be the token"),
        (["--token-env", "A", "--token-file", "b"], "--token-env and --token-file: give one of them"),
    ],
)
def test_what_can_not_be_is_told_of_the_option_also_where_a_destination_is_there(
    arguments: list[str], words: str
) -> None:
    CONFIG.write_text(WRITTEN)

    ended = init("plain.csv", "--yes", *arguments)

    assert (ended.status, ended.out, CONFIG.read_text()) == (2, "", WRITTEN)
    assert f"Error: {words}" in ended.err


@pytest.mark.parametrize("sample", ["acme.csv", "plain.csv", "asn.edi"])
def test_the_same_again_changes_nothing_and_asks_nothing(sample: str) -> None:
    Path("asn.edi").write_text(x12("856", notice("1001", "1Z999AA10123456784", ("MUG", 2))))
    columns = COLUMNS if sample == "acme.csv" else ()
    told = (sample, "--yes", "--to", "adm", "--url", f"{URL}/", *columns)
    first = init(*told)
    before = {name: Path(name).read_bytes() for name in files()}

    again, short, asked = init(*told), init(sample, "--yes"), init(sample)
    forced = init(*told, "--force")

    assert (forced.err, forced.out.splitlines()[0]) == ("", again.out.splitlines()[0])
    assert {again.status, short.status, asked.status} == {first.status}
    assert [line.replace("stays as it is", "written") for line in last_lines(again)[:2]] == last_lines(first)[
        :2
    ]
    assert (last_lines(short), last_lines(asked), asked.err) == (last_lines(again), last_lines(again), "")
    assert {name: Path(name).read_bytes() for name in files()} == before


@pytest.mark.parametrize(
    ("layout", "more"),
    [
        ("ours", []),
        ('name = "acme"\n[columns]\norder_id = "Doc"\nsku = "Goods"\ntracking_number = "Parcel"\n', COLUMNS),
        (
            'name = "acme"\n[columns]\norder_id = "Our Ref"\nsku = "Goods"\ntracking_number = "Parcel"\n',
            ["--carrier", "UPS"],
        ),
    ],
)
def test_a_layout_that_is_there_and_says_something_else_is_kept(layout: str, more: Sequence[str]) -> None:
    Path("acme.toml").write_text(layout)

    ended = init("acme.csv", "--yes", "--url", URL, *COLUMNS, *more)

    assert (ended.status, files(), Path("acme.toml").read_text()) == (2, ["acme.toml"], layout)
    assert "acme.toml: it is there already" in ended.err


CHANGED = """# ours
[destinations.adm]  # the one
# ask Eva
base_url = "https://old.example"  # since May
token_env = "OLD_TOKEN"
on_500 = "in-doubt"  # they lie
rate = "2/40"

# the shop's
[destinations.shop]
kind = "shoplazza"
"""


def test_with_force_what_was_said_is_changed_and_named_and_all_else_stays() -> None:
    CONFIG.write_text(CHANGED)
    Path("acme.toml").write_text("ours")

    ended = init("acme.csv", "--yes", "--name", "adm", *COLUMNS, "--token-file", "adm.token", "--force")

    changes = [
        'importer.toml: [destinations.adm]: token_env becomes token_file = "adm.token"',
        "acme.toml: written anew",
    ]
    assert (ended.status, ended.err.splitlines()) == (1, changes)
    assert CONFIG.read_text() == CHANGED.replace('token_env = "OLD_TOKEN"', 'token_file = "adm.token"')
    assert layouts.load("acme.toml").name == "acme"


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 2)])
def test_changes_are_named_before_they_are_made_and_made_if_they_are_wanted(answer: str, status: int) -> None:
    CONFIG.write_text(CHANGED)

    ended = init(*("plain.csv", "--name", "adm", "--force"), answers=["shoplazza", URL, "", answer])

    assert ended.status == status
    assert ended.err.splitlines()[:8] == [
        "Kind of platform (adm, shoplazza) [adm]: shoplazza",
        f"Its address, as you were given it [https://old.example]: {URL}",
        "Which environment variable will have the token [OLD_TOKEN]: ",
        'importer.toml: [destinations.adm]: kind = "adm" becomes kind = "shoplazza"',
        f'importer.toml: [destinations.adm]: base_url = "https://old.example" becomes base_url = "{URL}"',
        "importer.toml: [destinations.adm]: on_500 is none of the keys of shoplazza, and becomes a comment",
        f"Change that [y/N]: {answer}",
        *([] if status == 0 else ["importer: nothing was written"]),
    ]
    changed = CHANGED.replace("https://old.example", URL).replace("on_500", "# on_500")
    changed = changed.replace("# the one\n", '# the one\nkind = "shoplazza"\n')
    assert CONFIG.read_text() == (changed if status == 0 else CHANGED)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "NEW\n"),
        ("# a\n", "# a\n\nNEW\n"),
        ("# a\r\n", "# a\r\n\r\nNEW\r\n"),
        ("[destinations.shop]\nkind = 'adm'\n# z\n", "[destinations.shop]\nkind = 'adm'\n# z\n\nNEW\n"),
        (
            "[destinations.adm]\n# b\n\n# c\n[destinations.shop]\nkind='adm'",
            "NEW\n# b\n\n# c\n[destinations.shop]\nkind='adm'",
        ),
        (
            "[ destinations . \"adm\" ]\r\n'base_url'='https://x.example'\r\n[destinations.adm.extra]\r\n",
            (
                '[ destinations . "adm" ]\r\ntoken_env = "ADM_TOKEN"\r\nbase_url = "URL"\r\n'
                "[destinations.adm.extra]\r\n"
            ),
        ),
    ],
)
def test_a_destination_is_put_where_nothing_else_is_changed_by_it(text: str, expected: str) -> None:
    values = {"base_url": URL, "token_env": "ADM_TOKEN"}
    revision = starting.configuration(CONFIG, text, "adm", values)

    written = WRITTEN.strip().replace("\n", "\r\n" if "\r" in text else "\n")
    assert revision.text == expected.replace("NEW", written).replace("URL", URL)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[destinations]\nadm = {base_url = "https://old.example", token_env = "OLD"}\n', "adm"),
        ('destinations.adm = {base_url = "https://old.example", token_env = "OLD"}\n', "adm"),
        ('[destinations.adm]\nbase_url = """https://old.example"""\n', "adm"),
        (f'destinations = {{adm = {{base_url = "{URL}"}}}}\n', "other"),
    ],
)
def test_a_configuration_that_would_be_spoilt_is_left_as_it_is(text: str, name: str) -> None:
    CONFIG.write_text(text)
    arguments = ("--force", "--name", name, "--to", "adm", "--url", URL, "--token-env", "NEW", *COLUMNS)

    ended = init("acme.csv", "--yes", *arguments)

    kind = "" if name == "adm" else 'kind = "adm"\n'
    assert (ended.status, ended.out, CONFIG.read_text(), files()) == (2, "", text, ["importer.toml"])
    assert ended.err == (
        f"importer: importer.toml: [destinations.{name}] can't be put into it as it is written; nothing was "
        "changed; write these values into it yourself:\n\n"
        f'[destinations.{name}]\n{kind}base_url = "{URL}"\ntoken_env = "NEW"\n\n'
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
    arguments += ["--layout-name", "acme"]

    with CliRunner().isolation() as (_, err, _):
        status = cli.run(arguments)

    words = "--layout-name: found 'acme', expected another name: acme.toml is the configuration"
    assert (status, files()) == (2, [])
    assert words in err.getvalue().decode()


@pytest.mark.parametrize(
    ("sample", "config", "layout"),
    [
        ("importer.csv", "importer.toml", "mine.toml"),
        ("importer.csv", "mine.toml", "layout.toml"),
        ("mine.csv", "mine.toml", "layout.toml"),
        (f"{'a' * 49}-{'b' * 10}.csv", "importer.toml", f"{'a' * 49}.toml"),
        ("日報.csv", "importer.toml", "mine.toml"),
    ],
)
def test_the_layout_name_that_is_proposed_is_taken(sample: str, config: str, layout: str) -> None:
    Path(sample).write_text(SAMPLE)

    with CliRunner().isolation():
        status = cli.run(["--config", config, "init", sample, "--yes", "--url", URL, *COLUMNS])

    assert (status, files()) == (1, sorted([config, layout]))


NUMBERED = "Kunden Nr;Bestellung;Teil;Anz;Paket\n" + "".join(
    f"77;A1004{at};AB-{at};{units};1Z999AA10123456784\n" for at, units in enumerate(("2,00", "1,00"))
)


def test_a_column_is_one_of_them_and_the_question_comes_again_until_it_is() -> None:
    Path("tag.csv").write_text(NUMBERED)

    ended = init("tag.csv", answers=["", "", URL, "", "Bestellung", "Teil", "teil", "", "", ""])

    assert (ended.status, layouts.load("tag.toml").decimal_comma) == (1, True)
    assert ended.err.splitlines()[4:9] == [
        "Which column is sku (it may be Teil) [Teil]: Bestellung",
        "Error: found 'Bestellung', which is order_id already; name another",
        "Which column is sku (it may be Teil) [Teil]: Teil",
        "Which column is quantity (it may be Anz, Kunden Nr) [Anz]: teil",
        "Error: found 'teil', which is sku already; name another",
    ]
    assert last_lines(ended)[1] == (
        "tag.toml: the layout written: "
        "order_id = 'Bestellung', sku = 'Teil', quantity = 'Anz', tracking_number = 'Paket'"
    )


def test_no_column_is_proposed_where_several_are_as_likely() -> None:
    Path("tag.csv").write_text(NUMBERED.replace("Kunden Nr", "Gewicht"))

    ended = init("tag.csv", "--yes", "--url", URL, "--column", "sku=Teil")
    asked = init("tag.csv", "--url", URL, "--column", "sku=Teil", answers=["", "", "", "", "Anz", "", ""])

    assert ended.status == 2
    assert asked.err.splitlines()[3:5] == [
        "Which column is quantity (it may be Anz, Gewicht): ",
        "Which column is quantity (it may be Anz, Gewicht): Anz",
    ]


def test_a_column_that_is_not_needed_gives_its_header_to_one_that_is() -> None:
    Path("tag.csv").write_text("Ref,Carrier,Pcs,Parcel\n1001,MUG,2,1Z999AA10123456784\n")
    said = ("--column", "order_id=Ref", "--column", "sku=Carrier")

    ended = init("tag.csv", "--yes", "--json", "--url", URL, *said)

    assert (ended.status, ended.summary["columns"]) == (
        0,
        {"order_id": "Ref", "sku": "Carrier", "quantity": "Pcs", "tracking_number": "Parcel"},
    )


def test_a_sample_that_its_layout_would_not_read_is_told_before_anything_is_written() -> None:
    header = "Doc,Goods,Pcs,Parcel,tracking_company,Tracking Company"
    Path("tag.csv").write_text(f"{header}\n1001,MUG,1,1Z999AA10123456784,UPS,UPS\n")

    ended = init("tag.csv", "--yes", "--url", URL, "--column", "order_id=Doc", "--column", "sku=Goods")

    assert (ended.status, ended.out, files()) == (3, "", [])
    assert ended.err.startswith(
        "importer: tag.csv, row 1: 'tracking_company' (column 5) and 'Tracking Company' (column 6) stand for "
        "one column, tracking_company; rename or delete all but one of them"
    )


def test_spaces_around_an_answer_or_an_option_are_none_of_it() -> None:
    asked = init("plain.csv", answers=[" adm ", " ours", f"{URL} ", "OUR_TOKEN\t"])
    said = init("plain.csv", "--yes", "--to", "adm", "--name", " theirs", "--url", f" {URL} ")

    assert (asked.status, said.status) == (0, 0)
    assert CONFIG.read_text() == "\n".join(
        f'[destinations.{name}]\nkind = "adm"\nbase_url = "{URL}"\ntoken_env = "{token}"\n'
        for name, token in (("ours", "OUR_TOKEN"), ("theirs", "THEIRS_TOKEN"))
    )


def test_nobody_who_answers_is_an_interruption_and_nothing_is_written() -> None:
    ended = init("plain.csv", answers=["adm"])

    assert (ended.status, files()) == (130, [])
