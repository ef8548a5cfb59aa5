"""The one table of codes: what each means, how it is worded, what to do about it.

A code is stable: people and scripts outside rely on it. ``message`` is filled in with ``column`` (the
header as the manifest has it), ``value`` (the cell as written) and what else the finding knows. The
README's table is compared with this one by a test.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct


class Example(Struct, frozen=True):
    """A case of a code: what was ``found`` and what to put ``instead``, in words.

    ``rows`` are the cells by canonical column that the words speak of, one mapping for each row of a
    manifest, where these alone bring the code about; all else in the rows is fine.
    """

    found: str
    instead: str
    rows: tuple[Mapping[str, str], ...] = ()

    def __str__(self) -> str:
        """The case in one line."""
        return f"{self.found} → {self.instead}"


class Code(Struct, frozen=True):
    """One thing that can be said of a row."""

    name: str
    meaning: str
    message: str
    hint: str
    example: Example


_ALL = (
    Code(
        "blank-order-id",
        "The order id is missing.",
        "{column}: blank, expected an order id",
        "fill in the order id; if it stands only on the parcel's first row, copy it down",
        Example(
            "a blank order id in the parcel's second row", "1001, as in its first row", ({"order_id": ""},)
        ),
    ),
    Code(
        "bad-order-id",
        "The order id is not one the destination can have.",
        "{column}: found {value}, expected {expected}",
        "put the platform's order id there, not an order name or another reference",
        Example(
            "order id '#1001', the order's name",
            "5301234, the id that the platform gave it",
            ({"order_id": "#1001"},),
        ),
    ),
    Code(
        "blank-sku",
        "The SKU is missing.",
        "{column}: blank, expected a SKU",
        "fill in the SKU as the order has it; delete the row if it is no goods (a discount, shipping)",
        Example("a blank SKU beside 2 units", "MUG, as the order has it", ({"sku": "", "quantity": "2"},)),
    ),
    Code(
        "bad-sku",
        "The SKU is too long or has control characters.",
        "{column}: found {value}, expected 1 to 255 characters on one line",
        "put the SKU there as the order has it, without line breaks or tabs",
        Example("SKU 'MUG' with 'blue' on a second line of the cell", "MUG-BLUE", ({"sku": "MUG\nblue"},)),
    ),
    Code(
        "blank-quantity",
        "The quantity is missing.",
        "{column}: blank, expected a whole number from 1 to 1,000,000",
        "fill in how many units are in this parcel; a blank never counts as 1",
        Example("a blank quantity", "1, if one unit is in the parcel", ({"quantity": ""},)),
    ),
    Code(
        "bad-quantity",
        "The quantity is not a whole number.",
        "{column}: found {value}, expected a whole number from 1 to 1,000,000",
        "write a whole number in digits alone: 1200, not 1,200, 1.2e3 or 'twelve'",
        Example("quantity '2,5'", "2 or 3", ({"quantity": "2,5"},)),
    ),
    Code(
        "quantity-below-one",
        "The quantity is zero or negative.",
        "{column}: found {value}, expected a whole number from 1 to 1,000,000",
        "delete the row if nothing of it was shipped; zero is never sent, since platforms take it for 'all'",
        Example("quantity '0' for what is out of stock", "no row for it", ({"quantity": "0"},)),
    ),
    Code(
        "quantity-too-large",
        "The quantity is over 1,000,000, in one row or summed over a parcel.",
        "{column}: found {value}, expected a whole number from 1 to 1,000,000",
        "look whether another number, such as a tracking number, slipped into this column",
        Example(
            "quantity '4006381333931', a barcode",
            "6, the units in the parcel",
            ({"quantity": "4006381333931"},),
        ),
    ),
    Code(
        "unit-of-measure",
        "The quantity counts something else than pieces, such as cartons.",
        "{column}: found {value}, expected pieces",
        "write how many pieces that is; for all files of the partner, in the layout: [edi.units] CA = 12",
        Example("quantity '2 CA', two cartons of 12", "24", ({"quantity": "2 CA"},)),
    ),
    Code(
        "transaction-rejected",
        "The EDI document that the line is from is damaged, so none of its lines is posted.",
        "the document is rejected: {words}",
        "have the partner send it again, the acknowledgment says why; or empty edi_verdict to post the row",
        Example("a ship notice that says it has 10 segments, and 9 came", "the whole notice, sent again"),
    ),
    Code(
        "document-cancelled",
        "The EDI document cancels a shipment, or is a test; its lines are not posted.",
        "the document is not to be posted: {words}",
        "look on the platform whether it was posted before, and cancel it there; a test needs nothing",
        Example(
            "a ship notice with purpose code 01, cancellation",
            "the shipment cancelled on the platform, if it was posted",
        ),
    ),
    Code(
        "document-replaced",
        "The EDI document changes or replaces an earlier one; its lines are not posted.",
        "the document replaces or changes an earlier one: {words}",
        "compare it with what was posted; empty edi_verdict to post the row",
        Example(
            "Monday's ship notice again on Tuesday, with purpose code 05, replace",
            "Tuesday's rows with edi_verdict blank, if Monday's were not posted",
        ),
    ),
    Code(
        "line-not-shipped",
        "The row says that nothing of it was shipped, or that the shipment was voided (a warning, skipped).",
        "not sent, since nothing of it was shipped: {words}",
        "nothing to do if that is so; the order keeps the line open",
        Example("0 of 5 mugs shipped, the rest later", "no mug posted; the order waits for 5"),
    ),
    Code(
        "interchange-again",
        "The same EDI interchange came before in this run; its lines count once (a warning, skipped).",
        "not sent, since the interchange it is from came twice: {words}",
        "nothing to do; the first one's rows say what became of them",
        Example("interchange 000000031 in two files of one run", "its lines posted once"),
    ),
    Code(
        "split-unknown",
        "The EDI line is in several parcels, and how much is in which is not said.",
        "how much is in which parcel is not said: {words}",
        "write one row per tracking number, each with its quantity, and empty edi_verdict",
        Example("10 mugs in two parcels, without saying how many in which", "one row with 6 and one with 4"),
    ),
    Code(
        "order-without-lines",
        "The EDI document confirms an order without saying which lines were shipped.",
        "the document has no lines: {words}",
        "ask the warehouse which SKUs were shipped, and write a row for each",
        Example("order 1001 confirmed as shipped, and no SKU named", "a row with MUG and 2"),
    ),
    Code(
        "element-shifted",
        "In the EDI line an element stands where another belongs, so its values can't be told.",
        "elements stand in the wrong places: {words}",
        "have the partner mend it; or write the row's values and empty edi_verdict",
        Example("the SKU where the quantity belongs", "a row with quantity 2 and SKU MUG"),
    ),
    Code(
        "short-shipped",
        "Fewer were shipped than ordered; what was shipped is posted (a warning).",
        "{column}: {value} shipped, fewer than ordered",
        "nothing to do here; the order keeps the rest open",
        Example("4 mugs shipped of 6 ordered", "4 posted; 2 stay open"),
    ),
    Code(
        "blank-tracking-number",
        "The tracking number is missing.",
        "{column}: blank, expected a tracking number",
        "fill in the tracking number; if it stands only on the parcel's first row, copy it down",
        Example(
            "a blank tracking number in the parcel's second row",
            "1ZE356F8YW01937117, as in its first row",
            ({"tracking_number": ""},),
        ),
    ),
    Code(
        "bad-tracking-number",
        "The tracking number has other characters than letters, digits and '-', or not 5 to 50 of them.",
        "{column}: found {value}, expected 5 to 50 letters, digits and '-'",
        "put exactly the carrier's tracking number there",
        Example(
            "tracking number 'none'", "1ZE356F8YW01937117, as on the label", ({"tracking_number": "none"},)
        ),
    ),
    Code(
        "several-tracking-numbers",
        "The cell has several tracking numbers; a fulfillment has one.",
        "{column}: found {count} tracking numbers, {numbers}, expected one",
        "write one row per tracking number, each with the quantity that is in that parcel",
        Example(
            "tracking number 'TRACK00001, TRACK00002'",
            "two rows, one for each parcel",
            ({"tracking_number": "TRACK00001, TRACK00002"},),
        ),
    ),
    Code(
        "spreadsheet-damage",
        "A spreadsheet program has changed the cell; its true text is lost.",
        "{column}: found {value}, which a spreadsheet program has put in place of the true text",
        "format the column as text in the spreadsheet program, fill in the true value and export again",
        Example(
            "tracking number '1.23457E+21'",
            "1234567890123456789012, in a column of text",
            ({"tracking_number": "1.23457E+21"},),
        ),
    ),
    Code(
        "bad-tracking-url",
        "The tracking URL is not an http or https address.",
        "{column}: found {value}, expected an address that begins with http:// or https://",
        "correct the address, or leave the cell blank",
        Example(
            "tracking URL 'www.example.com/track'",
            "https://www.example.com/track",
            ({"tracking_url": "www.example.com/track"},),
        ),
    ),
    Code(
        "ragged-row",
        "The row has more or fewer cells than the header.",
        "the row has {found} cells, the header has {expected}{surplus}",
        "look for an unquoted {delimiter} inside a cell, or a missing one, and write the row again",
        Example("1001,Mug, blue,1,TRACK00001 under four headers", '1001,"Mug, blue",1,TRACK00001'),
    ),
    Code(
        "bad-quoting",
        "A quoted cell of the row goes on after its closing quote.",
        "a quoted cell goes on after its closing quote, so it can't be told where the cells of the row end",
        'write a quote inside a quoted cell twice: "5"" pipe"',
        Example('1001,"5" pipe",1,TRACK00001', '1001,"5"" pipe",1,TRACK00001'),
    ),
    Code(
        "duplicate-row",
        "The same row stands twice in one parcel (a warning, or an error with --duplicates error).",
        "the same order, tracking number, SKU and quantity stand in {where}{counted}",
        "delete the row if it is a repetition; give the sum in one row if it is not",
        Example(
            "order 1001, TRACK00001, MUG, 1 in rows 2 and 3",
            "one row with 1; with 2, if two were packed",
            (
                {"order_id": "1001", "tracking_number": "TRACK00001", "sku": "MUG", "quantity": "1"},
                {"order_id": "1001", "tracking_number": "TRACK00001", "sku": "MUG", "quantity": "1"},
            ),
        ),
    ),
    Code(
        "tracking-number-conflict",
        "One fulfillment id has several tracking numbers.",
        "fulfillment {fulfillment_id} has tracking number {value} here and another one in {where}",
        "leave one tracking number for each fulfillment id",
        Example(
            "fulfillment 88 with TRACK00001 in row 2 and TRACK00002 in row 3",
            "TRACK00001 in both, if it is one parcel",
            (
                {"fulfillment_id": "88", "tracking_number": "TRACK00001"},
                {"fulfillment_id": "88", "tracking_number": "TRACK00002"},
            ),
        ),
    ),
    Code(
        "fulfillment-id-conflict",
        "One tracking number of an order has several fulfillment ids.",
        "{column}: found {value}, but the same tracking number has another one in {where}",
        "leave one fulfillment id for each tracking number of an order",
        Example(
            "TRACK00001 with fulfillment 88 beside MUG and 89 beside HAT",
            "88 in both rows",
            (
                {"tracking_number": "TRACK00001", "fulfillment_id": "88", "sku": "MUG"},
                {"tracking_number": "TRACK00001", "fulfillment_id": "89", "sku": "HAT"},
            ),
        ),
    ),
    Code(
        "carrier-conflict",
        "Rows of one parcel name different carriers or tracking URLs.",
        "{column}: found {value}, but the same parcel has another one in {where}",
        "write the same carrier and tracking URL in all rows of a parcel, or leave them blank",
        Example(
            "TRACK00001 with carrier UPS beside MUG and DHL beside HAT",
            "UPS in both rows",
            (
                {"tracking_number": "TRACK00001", "tracking_company": "UPS", "sku": "MUG"},
                {"tracking_number": "TRACK00001", "tracking_company": "DHL", "sku": "HAT"},
            ),
        ),
    ),
    Code(
        "blank-fulfillment-id",
        "The fulfillment id is missing, where there is no tracking number to find it by.",
        "{column}: blank, expected the platform's id of the fulfillment",
        "fill in the fulfillment id, or add a column with the tracking number",
        Example(
            "a file without tracking numbers, and a blank fulfillment id", "88, as the platform shows it"
        ),
    ),
    Code(
        "bad-fulfillment-id",
        "The fulfillment id is not one the destination can have.",
        "{column}: found {value}, expected 1 to 255 characters on one line",
        "put the platform's fulfillment id there, or leave the cell blank: then it is looked up",
        Example(
            "fulfillment id '88' with '89' on a second line of the cell",
            "88",
            ({"fulfillment_id": "88\n89"},),
        ),
    ),
    Code(
        "no-mail-wanted",
        "The row has no tracking number, and says that the customer is not to be mailed.",
        "{words}",
        "nothing to do",
        Example("no tracking number, and 'no' under notify", "nothing sent: there is only a mail to send"),
    ),
    Code(
        "bad-notify",
        "The cell that says whether to mail the customer says neither yes nor no.",
        "{column}: found {value}, expected yes or no",
        "write yes or no, or leave the cell blank",
        Example("'perhaps' under notify", "no", ({"notify": "perhaps"},)),
    ),
    Code(
        "changed-since-posted",
        "An earlier run sent this order and tracking number with other contents.",
        "run {run_id} sent this order and tracking number with other contents ({state})",
        "look at the order on the platform; what is there can't be changed by importing it again",
        Example(
            "2 mugs posted on Monday, 3 in Tuesday's file with the same tracking number",
            "2 as posted; the third on the platform by hand",
        ),
    ),
    Code(
        "already-posted",
        "An earlier run did it, with the same contents.",
        "{state} by run {run_id}",
        "nothing to do",
        Example("Monday's manifest once more on Tuesday", "nothing sent twice"),
    ),
    Code(
        "parcel-held",
        "The row is fine, but another row of its parcel or order is not.",
        "held back: {where} is not fine and shares its {scope}",
        "mend the other row and import both again, or post the fine rows alone with --partial",
        Example(
            "MUG with quantity 1 beside HAT with quantity 'two' in one parcel",
            "HAT with 2; then both are posted",
            ({"sku": "MUG", "quantity": "1"}, {"sku": "HAT", "quantity": "two"}),
        ),
    ),
    Code(
        "batch-held",
        "The row is fine, but others are not, and --all-or-nothing was asked for.",
        "held back by --all-or-nothing: {bad} rows are not fine",
        "mend the other rows and import all again",
        Example("1 bad row of 500, with --all-or-nothing", "that row mended; then all 500 are posted"),
    ),
    Code(
        "already-there",
        "The platform has this tracking number on the order already; nothing was sent.",
        "{words}",
        "nothing to do",
        Example("TRACK00001 typed in on the platform by hand", "nothing sent a second time"),
    ),
    Code(
        "no-fulfillment",
        "The order has no fulfillment without a tracking number that these rows could be for.",
        "{words}",
        "create it on the platform and import again, or let the importer create it: operation = auto",
        Example(
            "order 1001, of which the platform has no fulfillment yet",
            "one created there, or operation = auto",
        ),
    ),
    Code(
        "ambiguous-fulfillment",
        "Several fulfillments could be meant, or the one with this tracking number has other line items.",
        "{words}",
        "compare the rows with the order, and write into fulfillment_id which of those listed is meant",
        Example("order 1001 with fulfillments 88 and 89, one mug in each", "88 under fulfillment_id"),
    ),
    Code(
        "exceeds-remaining",
        "The rows ship more units of a SKU than the order has left.",
        "{words}",
        "compare the quantity with the order; what was refunded or shipped already can't be shipped again",
        Example("3 mugs in the row, 2 left to ship on the order", "2"),
    ),
    Code(
        "sku-not-in-order",
        "The order has no line with this SKU.",
        "{words}",
        "correct the SKU or the order; the message lists the SKUs that the order has",
        Example("SKU MUG-BLUE, and the order has MUG-BLU", "MUG-BLU"),
    ),
    Code(
        "carrier-not-known",
        "The carrier's code is not on the platform's list, or is that of another carrier than the row names.",
        "{words}",
        "correct the code or leave it blank; with check_carriers = false it is sent as it is",
        Example("code 'up' beside carrier UPS", "the platform's code of UPS, or a blank cell"),
    ),
    Code(
        "look-up-failed",
        "What is on the platform could not be looked up; nothing was sent.",
        "{words}",
        "run the same command again",
        Example("the platform did not answer for a minute", "the same command, an hour later"),
    ),
    Code(
        "destination-NNN",
        "The destination refused it with HTTP status NNN; the message has its own words.",
        "{words}",
        "correct what the destination names and import the row again; unchanged it is not sent again",
        Example("refused: there is no order 1010", "1001, the order's true id"),
    ),
    Code(
        "destination-5NN",
        "The destination answered with HTTP status 5NN or 429 as often as it was tried.",
        "{words}",
        "run the same command again",
        Example("503 five times, while the platform is mended", "the same command, an hour later"),
    ),
    Code(
        "destination-401",
        "The destination refused the token (401, 403 or 407), and the run stopped.",
        "{words}",
        "correct the token or its header in the configuration, and run the same command again",
        Example("a token that has run out", "the new one in the variable that token_env names"),
    ),
    Code(
        "destination-3NN",
        "The destination redirects (3NN), and the run stopped.",
        "{words}",
        "correct base_url in the configuration, and run the same command again",
        Example("base_url http://shop.example.com, which sends on to https", "https://shop.example.com"),
    ),
    Code(
        "destination-unreachable",
        "The destination could not be reached; nothing was sent.",
        "{words}",
        "run the same command again; if it stays so, check base_url and the network",
        Example("the network cable is out", "the same command, once it is in"),
    ),
    Code(
        "outcome-unknown",
        "The fulfillment was sent, but no answer that can be trusted came back.",
        "{words}",
        "look whether it is on the platform and say so with importer settle; until then it is not sent again",
        Example("the line broke after the order was sent", "a look at the platform, then importer settle"),
    ),
    Code(
        "settled",
        "A person looked up on the platform what became of it, and told the ledger with importer settle.",
        "settled by {by} on {date}: {found}",
        "nothing to do if it was created; if it was not, run the same command again, which sends it",
        Example("a person saw the fulfillment on the platform", "settled as created; it is not sent again"),
    ),
    Code(
        "run-stopped",
        "The run stopped before this row's turn.",
        "not sent: {words}",
        "run the same command again, after mending the cause if there was one",
        Example("--stop-at 06:00, and 200 rows left", "the same command in the evening posts the 200"),
    ),
    Code(
        "tracking-check-digit",
        "The tracking number fails its carrier's check digit (an error with --strict-tracking).",
        "{column}: {value} fails the check digit of {rule}",
        "compare the number with the label; a digit may be mistyped or rounded",
        Example(
            "tracking number '1ZE356F8YW01937118'",
            "1ZE356F8YW01937117, as on the label",
            ({"tracking_number": "1ZE356F8YW01937118"},),
        ),
    ),
    Code(
        "tracking-number-cut",
        "The tracking number begins as a carrier's do, but has another length (see --strict-tracking).",
        "{column}: {value} looks like a {carrier} number, but has {found} characters instead of {expected}",
        "compare the number with the label; the file may be cut off, or a character mistyped",
        Example(
            "tracking number '1ZE356F8YW019371', which lacks 2 characters",
            "1ZE356F8YW01937117",
            ({"tracking_number": "1ZE356F8YW019371"},),
        ),
    ),
    Code(
        "encoding-guessed",
        "The cell has characters beyond ASCII, and the encoding of the file was guessed (a warning).",
        "{column}: read as {encoding}, which was guessed: {value}",
        "compare it with the order; if it is wrong, name the encoding of the file with --encoding",
        Example(
            "SKU 'Größe' in a file that does not say its encoding",
            "Größe, if the order has it so; else --encoding",
        ),
    ),
    Code(
        "leading-zeros-lost",
        "The cell is a number, but others of its column begin with zeros, or the sheet shows it with some.",
        "{column}: {value} is stored as a number, which keeps no leading zeros",
        "compare it with the label; if zeros are missing, format the column as text and fill them in",
        Example("SKU 42 as a number beside 00041 and 00043", "00042, in a column of text"),
    ),
    Code(
        "carrier-mismatch",
        "The tracking number is one of another carrier than the row names.",
        "{column}: {value} is a number of {carrier}, but the row names {company}",
        "correct the carrier or the tracking number",
        Example(
            "tracking number '1ZE356F8YW01937117' with carrier FedEx",
            "UPS",
            ({"tracking_number": "1ZE356F8YW01937117", "tracking_company": "FedEx"},),
        ),
    ),
    Code(
        "tracking-number-on-several-orders",
        "The tracking number stands on several orders; each order gets a fulfillment of its own.",
        "{column}: {value} also stands on other orders; one fulfillment is made for each order",
        "nothing to do if the orders share a parcel",
        Example(
            "TRACK00001 on order 1001 and on order 1002",
            "left as it is, if both are in one box",
            (
                {"order_id": "1001", "tracking_number": "TRACK00001"},
                {"order_id": "1002", "tracking_number": "TRACK00001"},
            ),
        ),
    ),
)

CODES: Final = {code.name: code for code in _ALL}
WARNINGS: Final = (
    "duplicate-row",
    "interchange-again",
    "leading-zeros-lost",
    "line-not-shipped",
    "short-shipped",
    "tracking-check-digit",
    "tracking-number-cut",
    "encoding-guessed",
    "carrier-mismatch",
    "tracking-number-on-several-orders",
)
IDLE: Final = ("line-not-shipped", "interchange-again")
"""The warnings of rows that are skipped although nothing of them was ever sent."""


def code_of(name: str) -> Code:
    """The table's entry for ``name``; the destination's codes of one kind, such as 502 and 503, share one."""
    if name in CODES:
        return CODES[name]
    return CODES[next((kind for form, kind in _KINDS if form.fullmatch(name)), "destination-NNN")]


def is_code(name: str) -> bool:
    """Whether a row can be given the code ``name``, or it stands in the table."""
    return name in CODES or re.fullmatch(r"destination-\d{3}", name) is not None


_KINDS: Final = (
    (re.compile(r"destination-(?:5\d\d|429)"), "destination-5NN"),
    (re.compile(r"destination-(?:403|407)"), "destination-401"),
    (re.compile(r"destination-3\d\d"), "destination-3NN"),
)
