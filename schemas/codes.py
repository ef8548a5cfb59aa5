"""The one table of codes: what each means, how it is worded, what to do about it.

A code is stable: people and scripts outside rely on it. ``message`` is filled in with ``column`` (the
header as the manifest has it), ``value`` (the cell as written) and what else the finding knows. The
README's table is compared with this one by a test.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Code:
    """One thing that can be said of a row."""

    name: str
    meaning: str
    message: str
    hint: str


_ALL = (
    Code(
        "blank-order-id",
        "The order id is missing.",
        "{column}: blank, expected an order id",
        "fill in the order id; if it stands only on the parcel's first row, copy it down",
    ),
    Code(
        "bad-order-id",
        "The order id is not one the destination can have.",
        "{column}: found {value}, expected {expected}",
        "put the platform's order id there, not an order name or another reference",
    ),
    Code(
        "blank-sku",
        "The SKU is missing.",
        "{column}: blank, expected a SKU",
        "fill in the SKU as the order has it; delete the row if it is no goods (a discount, shipping)",
    ),
    Code(
        "bad-sku",
        "The SKU is too long or has control characters.",
        "{column}: found {value}, expected 1 to 255 characters on one line",
        "put the SKU there as the order has it, without line breaks or tabs",
    ),
    Code(
        "blank-quantity",
        "The quantity is missing.",
        "{column}: blank, expected a whole number from 1 to 1,000,000",
        "fill in how many units are in this parcel; a blank never counts as 1",
    ),
    Code(
        "bad-quantity",
        "The quantity is not a whole number.",
        "{column}: found {value}, expected a whole number from 1 to 1,000,000",
        "write a whole number in digits alone: 1200, not 1,200, 1.2e3 or 'twelve'",
    ),
    Code(
        "quantity-below-one",
        "The quantity is zero or negative.",
        "{column}: found {value}, expected a whole number from 1 to 1,000,000",
        "delete the row if nothing of it was shipped; zero is never sent, since platforms take it for 'all'",
    ),
    Code(
        "quantity-too-large",
        "The quantity is over 1,000,000, in one row or summed over a parcel.",
        "{column}: found {value}, expected a whole number from 1 to 1,000,000",
        "look whether another number, such as a tracking number, slipped into this column",
    ),
    Code(
        "unit-of-measure",
        "The quantity counts something else than pieces, such as cartons.",
        "{column}: found {value}, expected pieces",
        "write how many pieces that is; for all files of the partner, in the layout: [edi.units] CA = 12",
    ),
    Code(
        "transaction-rejected",
        "The EDI document that the line is from is damaged, so none of its lines is posted.",
        "the document is rejected: {words}",
        "have the partner send it again, the acknowledgment says why; or empty edi_verdict to post the row",
    ),
    Code(
        "document-cancelled",
        "The EDI document cancels a shipment, or is a test; its lines are not posted.",
        "the document is not to be posted: {words}",
        "look on the platform whether it was posted before, and cancel it there; a test needs nothing",
    ),
    Code(
        "document-replaced",
        "The EDI document changes or replaces an earlier one; its lines are not posted.",
        "the document replaces or changes an earlier one: {words}",
        "compare it with what was posted; empty edi_verdict to post the row",
    ),
    Code(
        "line-not-shipped",
        "The row says that nothing of it was shipped, or that the shipment was voided (a warning, skipped).",
        "not sent, since nothing of it was shipped: {words}",
        "nothing to do if that is so; the order keeps the line open",
    ),
    Code(
        "interchange-again",
        "The same EDI interchange came before in this run; its lines count once (a warning, skipped).",
        "not sent, since the interchange it is from came twice: {words}",
        "nothing to do; the first one's rows say what became of them",
    ),
    Code(
        "split-unknown",
        "The EDI line is in several parcels, and how much is in which is not said.",
        "how much is in which parcel is not said: {words}",
        "write one row per tracking number, each with its quantity, and empty edi_verdict",
    ),
    Code(
        "order-without-lines",
        "The EDI document confirms an order without saying which lines were shipped.",
        "the document has no lines: {words}",
        "ask the warehouse which SKUs were shipped, and write a row for each",
    ),
    Code(
        "element-shifted",
        "In the EDI line an element stands where another belongs, so its values can't be told.",
        "elements stand in the wrong places: {words}",
        "have the partner mend it; or write the row's values and empty edi_verdict",
    ),
    Code(
        "short-shipped",
        "Fewer were shipped than ordered; what was shipped is posted (a warning).",
        "{column}: {value} shipped, fewer than ordered",
        "nothing to do here; the order keeps the rest open",
    ),
    Code(
        "blank-tracking-number",
        "The tracking number is missing.",
        "{column}: blank, expected a tracking number",
        "fill in the tracking number; if it stands only on the parcel's first row, copy it down",
    ),
    Code(
        "bad-tracking-number",
        "The tracking number has other characters than letters, digits and '-', or not 5 to 50 of them.",
        "{column}: found {value}, expected 5 to 50 letters, digits and '-'",
        "put exactly the carrier's tracking number there",
    ),
    Code(
        "several-tracking-numbers",
        "The cell has several tracking numbers; a fulfillment has one.",
        "{column}: found {count} tracking numbers, {numbers}, expected one",
        "write one row per tracking number, each with the quantity that is in that parcel",
    ),
    Code(
        "spreadsheet-damage",
        "A spreadsheet program has changed the cell; its true text is lost.",
        "{column}: found {value}, which a spreadsheet program has put in place of the true text",
        "format the column as text in the spreadsheet program, fill in the true value and export again",
    ),
    Code(
        "bad-tracking-url",
        "The tracking URL is not an http or https address.",
        "{column}: found {value}, expected an address that begins with http:// or https://",
        "correct the address, or leave the cell blank",
    ),
    Code(
        "ragged-row",
        "The row has more or fewer cells than the header.",
        "the row has {found} cells, the header has {expected}{surplus}",
        "look for an unquoted {delimiter} inside a cell, or a missing one, and write the row again",
    ),
    Code(
        "bad-quoting",
        "A quoted cell of the row goes on after its closing quote.",
        "a quoted cell goes on after its closing quote, so it can't be told where the cells of the row end",
        'write a quote inside a quoted cell twice: "5"" pipe"',
    ),
    Code(
        "duplicate-row",
        "The same row stands twice in one parcel (a warning, or an error with --duplicates error).",
        "the same order, tracking number, SKU and quantity stand in {where}{counted}",
        "delete the row if it is a repetition; give the sum in one row if it is not",
    ),
    Code(
        "tracking-number-conflict",
        "One fulfillment id has several tracking numbers.",
        "fulfillment {fulfillment_id} has tracking number {value} here and another one in {where}",
        "leave one tracking number for each fulfillment id",
    ),
    Code(
        "fulfillment-id-conflict",
        "One tracking number of an order has several fulfillment ids.",
        "{column}: found {value}, but the same tracking number has another one in {where}",
        "leave one fulfillment id for each tracking number of an order",
    ),
    Code(
        "carrier-conflict",
        "Rows of one parcel name different carriers or tracking URLs.",
        "{column}: found {value}, but the same parcel has another one in {where}",
        "write the same carrier and tracking URL in all rows of a parcel, or leave them blank",
    ),
    Code(
        "blank-fulfillment-id",
        "The fulfillment id is missing, where there is no tracking number to find it by.",
        "{column}: blank, expected the platform's id of the fulfillment",
        "fill in the fulfillment id, or add a column with the tracking number",
    ),
    Code(
        "bad-fulfillment-id",
        "The fulfillment id is not one the destination can have.",
        "{column}: found {value}, expected 1 to 255 characters on one line",
        "put the platform's fulfillment id there, or leave the cell blank: then it is looked up",
    ),
    Code(
        "no-mail-wanted",
        "The row has no tracking number, and says that the customer is not to be mailed.",
        "{words}",
        "nothing to do",
    ),
    Code(
        "bad-notify",
        "The cell that says whether to mail the customer says neither yes nor no.",
        "{column}: found {value}, expected yes or no",
        "write yes or no, or leave the cell blank",
    ),
    Code(
        "changed-since-posted",
        "An earlier run sent this order and tracking number with other contents.",
        "run {run_id} sent this order and tracking number with other contents ({state})",
        "look at the order on the platform; what is there can't be changed by importing it again",
    ),
    Code(
        "already-posted",
        "An earlier run did it, with the same contents.",
        "{state} by run {run_id}",
        "nothing to do",
    ),
    Code(
        "parcel-held",
        "The row is fine, but another row of its parcel or order is not.",
        "held back: {where} is not fine and shares its {scope}",
        "mend the other row and import both again, or post the fine rows alone with --partial",
    ),
    Code(
        "batch-held",
        "The row is fine, but others are not, and --all-or-nothing was asked for.",
        "held back by --all-or-nothing: {bad} rows are not fine",
        "mend the other rows and import all again",
    ),
    Code(
        "already-there",
        "The platform has this tracking number on the order already; nothing was sent.",
        "{words}",
        "nothing to do",
    ),
    Code(
        "no-fulfillment",
        "The order has no fulfillment without a tracking number that these rows could be for.",
        "{words}",
        "create it on the platform and import again, or let the importer create it: operation = auto",
    ),
    Code(
        "ambiguous-fulfillment",
        "Several fulfillments could be meant, or the one with this tracking number has other line items.",
        "{words}",
        "compare the rows with the order, and write into fulfillment_id which of those listed is meant",
    ),
    Code(
        "exceeds-remaining",
        "The rows ship more units of a SKU than the order has left.",
        "{words}",
        "compare the quantity with the order; what was refunded or shipped already can't be shipped again",
    ),
    Code(
        "sku-not-in-order",
        "The order has no line with this SKU.",
        "{words}",
        "correct the SKU or the order; the message lists the SKUs that the order has",
    ),
    Code(
        "carrier-not-known",
        "The carrier's code is not on the platform's list, or is that of another carrier than the row names.",
        "{words}",
        "correct the code or leave it blank; with check_carriers = false it is sent as it is",
    ),
    Code(
        "look-up-failed",
        "What is on the platform could not be looked up; nothing was sent.",
        "{words}",
        "run the same command again",
    ),
    Code(
        "destination-NNN",
        "The destination refused it with HTTP status NNN; the message has its own words.",
        "{words}",
        "correct what the destination names and import the row again; unchanged it is not sent again",
    ),
    Code(
        "destination-5NN",
        "The destination answered with HTTP status 5NN or 429 as often as it was tried.",
        "{words}",
        "run the same command again",
    ),
    Code(
        "destination-401",
        "The destination refused the token (401, 403 or 407), and the run stopped.",
        "{words}",
        "correct the token or its header in the configuration, and run the same command again",
    ),
    Code(
        "destination-3NN",
        "The destination redirects (3NN), and the run stopped.",
        "{words}",
        "correct base_url in the configuration, and run the same command again",
    ),
    Code(
        "destination-unreachable",
        "The destination could not be reached; nothing was sent.",
        "{words}",
        "run the same command again; if it stays so, check base_url and the network",
    ),
    Code(
        "outcome-unknown",
        "The fulfillment was sent, but no answer that can be trusted came back.",
        "{words}",
        "look whether it is on the platform and say so with importer settle; until then it is not sent again",
    ),
    Code(
        "settled",
        "A person looked up on the platform what became of it, and told the ledger with importer settle.",
        "settled by {by} on {date}: {found}",
        "nothing to do if it was created; if it was not, run the same command again, which sends it",
    ),
    Code(
        "run-stopped",
        "The run stopped before this row's turn.",
        "not sent: {words}",
        "run the same command again, after mending the cause if there was one",
    ),
    Code(
        "tracking-check-digit",
        "The tracking number fails its carrier's check digit (an error with --strict-tracking).",
        "{column}: {value} fails the check digit of {rule}",
        "compare the number with the label; a digit may be mistyped or rounded",
    ),
    Code(
        "tracking-number-cut",
        "The tracking number begins as a carrier's do, but has another length (see --strict-tracking).",
        "{column}: {value} looks like a {carrier} number, but has {found} characters instead of {expected}",
        "compare the number with the label; the file may be cut off, or a character mistyped",
    ),
    Code(
        "encoding-guessed",
        "The cell has characters beyond ASCII, and the encoding of the file was guessed (a warning).",
        "{column}: read as {encoding}, which was guessed: {value}",
        "compare it with the order; if it is wrong, name the encoding of the file with --encoding",
    ),
    Code(
        "leading-zeros-lost",
        "The cell is a number, but others of its column begin with zeros, or the sheet shows it with some.",
        "{column}: {value} is stored as a number, which keeps no leading zeros",
        "compare it with the label; if zeros are missing, format the column as text and fill them in",
    ),
    Code(
        "carrier-mismatch",
        "The tracking number is one of another carrier than the row names.",
        "{column}: {value} is a number of {carrier}, but the row names {company}",
        "correct the carrier or the tracking number",
    ),
    Code(
        "tracking-number-on-several-orders",
        "The tracking number stands on several orders; each order gets a fulfillment of its own.",
        "{column}: {value} also stands on other orders; one fulfillment is made for each order",
        "nothing to do if the orders share a parcel",
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


def code_of(name: str) -> Code:
    """The table's entry for ``name``; the destination's codes of one kind, such as 502 and 503, share one."""
    if name in CODES:
        return CODES[name]
    return CODES[next((kind for form, kind in _KINDS if form.fullmatch(name)), "destination-NNN")]


_KINDS: Final = (
    (re.compile(r"destination-(?:5\d\d|429)"), "destination-5NN"),
    (re.compile(r"destination-(?:403|407)"), "destination-401"),
    (re.compile(r"destination-3\d\d"), "destination-3NN"),
)
