"""Interchanges that come again, and what partners are told, from the command line."""

import json
from pathlib import Path

import pytest

from tests import interchanges, program

ONE, TWO, THREE = "1Z999AA10300000019", "1Z999AA10300000046", "1Z999AA10300000055"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.settle_in(tmp_path, monkeypatch)


def post(capsys: pytest.CaptureFixture[str], *arguments: object) -> program.Ended:
    return program.here(capsys, "post", *arguments, "--sandbox", "--json", "--ledger", "l.db")


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def rows(ended: program.Ended) -> list[tuple[str, str, str]]:
    """Order, status and code of each row."""
    return [
        (row["order_id"], row["import_status"], row["import_code"])
        for row in program.table(Path(ended.summary["reports"]["rows"]))
    ]


def answers(ended: program.Ended) -> dict[str, str]:
    """The acknowledgments by name, without line breaks."""
    folder = Path(ended.summary["reports"]["acks"])
    return {path.name: path.read_text().replace("\n", "") for path in sorted(folder.iterdir())}


def test_a_notice_is_posted_and_acknowledged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = written(
        tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    )

    ended = post(capsys, manifest)

    assert (ended.status, rows(ended)) == (0, [("1001", "created", "")])
    [(name, text)] = answers(ended).items()
    assert name.startswith("997-")
    assert "*SHOP           *ZZ*NORTHSUPPLY    *" in text
    assert "~AK1*SH*31~AK2*856*0001~AK5*A~AK9*A*1*1*1~" in text


def test_a_ledger_that_is_gone_before_its_answer_has_a_number_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(seen: program.Seen) -> program.Reply:
        (tmp_path / "l.db").unlink(missing_ok=True)
        return program.created(seen)

    monkeypatch.setenv("ADM_TOKEN", "a-token")
    notice = interchanges.notice("1001", ONE, ("A", 2))
    manifest = written(tmp_path / "one.edi", interchanges.x12("856", notice))
    with program.Platform(gone) as platform:
        program.configuration(tmp_path / "importer.toml", platform.url)
        ended = program.here(capsys, "post", manifest, "--ledger", "l.db")

    assert ended.status == 4
    assert ended.err.count("its file was moved, deleted or replaced") == 1
    assert "; what was posted is in the ledger, and 'importer runs " in ended.err


def test_the_same_document_again_is_skipped_and_another_under_its_number_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = written(tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2))))
    other = written(tmp_path / "two.edi", interchanges.x12("856", interchanges.notice("1002", TWO, ("B", 1))))
    post(capsys, first)

    again, refused = post(capsys, first), post(capsys, other)

    assert (again.status, rows(again)) == (0, [("1001", "skipped", "already-posted")])
    assert (refused.status, rows(refused)) == (1, [("1002", "invalid", "transaction-rejected")])
    assert [name.partition("-")[0] for name in answers(refused)] == ["TA1"]
    assert "*R*025~" in next(iter(answers(refused).values()))


def test_of_two_files_with_one_number_in_a_run_the_first_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2))))
    written(tmp_path / "two.edi", interchanges.x12("856", interchanges.notice("1002", TWO, ("B", 1))))

    ended = post(capsys, tmp_path / "one.edi", tmp_path / "two.edi")

    assert rows(ended) == [("1001", "created", ""), ("1002", "invalid", "transaction-rejected")]


def test_a_damaged_interchange_may_come_again_under_its_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    damaged = written(tmp_path / "damaged.edi", sound.replace("IEA*1*", "IEA*2*"))
    mended = written(tmp_path / "mended.edi", sound)

    refused, accepted = post(capsys, damaged), post(capsys, mended)

    assert rows(refused) == [("1001", "invalid", "transaction-rejected")]
    assert rows(accepted) == [("1001", "created", "")]


def test_a_broken_transaction_is_rejected_alone_and_its_partner_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12(
        "856",
        interchanges.notice("1001", ONE, ("A", 2)),
        interchanges.notice("1002", TWO, ("B", 1), reference="SN2"),
        interchanges.notice("1003", THREE, ("C", 3), reference="SN3"),
    )
    manifest = written(tmp_path / "three.edi", text.replace("SE*12*0002", "SE*13*0002"))

    ended = post(capsys, manifest)

    assert rows(ended) == [
        ("1001", "created", ""),
        ("1002", "invalid", "transaction-rejected"),
        ("1003", "created", ""),
    ]
    [(_, told)] = answers(ended).items()
    assert "~AK2*856*0001~AK5*A~AK2*856*0002~" in told
    assert "~AK5*R*4~AK2*856*0003~AK5*A~AK9*P*3*3*2~" in told


def test_what_the_destination_refuses_is_told_in_an_824(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = written(
        tmp_path / "orders.json",
        json.dumps({"orders": [{"order_id": 1001, "line_items": [{"sku": "A", "quantity": 1}]}]}),
    )
    manifest = written(
        tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    )

    ended = program.here(capsys, "post", manifest, "--sandbox", orders, "--json", "--ledger", "l.db")

    told = answers(ended)
    assert [name.partition("-")[0] for name in told] == ["824", "997"]
    business, syntax = told.values()
    assert "~AK5*A~" in syntax
    assert "~OTI*TR*" in business
    assert "INVALID SKU OR QUANTITY" in business.upper()


def test_unmended_rows_of_a_rejected_transaction_stay_rejected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    first = post(capsys, written(tmp_path / "cut.edi", text.replace("SE*12*", "SE*13*")))

    again = post(capsys, first.summary["reports"]["errors"])

    assert rows(again) == rows(first) == [("1001", "invalid", "transaction-rejected")]


def test_a_line_of_which_nothing_was_shipped_holds_nothing_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = interchanges.notice("1001", ONE, ("A", 2), ("B", 0))

    ended = post(capsys, written(tmp_path / "one.edi", interchanges.x12("856", body)), "--all-or-nothing")

    assert (ended.status, rows(ended)) == (0, [("1001", "created", ""), ("1001", "skipped", "")])
    assert ended.summary["warnings"] == {"line-not-shipped": 1}


def test_a_cancelled_document_holds_back_what_it_cancels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12(
        "856",
        interchanges.notice("1001", ONE, ("A", 2)),
        interchanges.notice("1001", ONE, ("A", 2), purpose="01"),
    )

    ended = post(capsys, written(tmp_path / "both.edi", text))

    assert rows(ended) == [("1001", "held", "parcel-held"), ("1001", "invalid", "document-cancelled")]


def test_control_numbers_are_never_used_again_and_a_preview_takes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = written(
        tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    )

    def control(ended: program.Ended) -> tuple[str, str]:
        [(_, text)] = answers(ended).items()
        elements = text.split("~")[0].split("*")
        return elements[13], elements[15]

    def preview() -> program.Ended:
        return program.here(capsys, "check", manifest, "--sandbox", "--acks", "--json", "--ledger", "l.db")

    assert control(preview()) == ("000000001", "T")
    assert control(post(capsys, manifest)) == ("000000001", "P")
    assert control(preview()) == ("000000002", "T")
    assert control(post(capsys, manifest)) == ("000000002", "P")


def test_a_dry_run_answers_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = written(
        tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    )

    ended = program.here(capsys, "check", manifest, "--json")

    assert "acks" not in ended.summary["reports"]


def test_an_acknowledgment_is_never_acknowledged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = ["AK1*SH*1", "AK2*856*0001", "AK5*A", "AK9*A*1*1*1"]
    manifest = written(tmp_path / "answer.edi", interchanges.x12("997", body))

    ended = post(capsys, manifest)

    assert (ended.status, rows(ended), answers(ended)) == (0, [], {})
    assert ended.summary["manifests"][0]["notes"] == [
        "ISA 000000031 from NORTHSUPPLY: 1 x 997: an acknowledgment, and nothing to import"
    ]


def test_a_file_without_an_interchange_is_no_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = written(tmp_path / "bare.edi", "ST*856*0001~BSN*00*1*20261121*2115~SE*3*0001~")

    ended = program.here(capsys, "check", manifest)

    assert ended.status == 3
    assert "bare.edi: segment 1 (ST, byte 0): no ISA/GS envelope" in ended.err


def test_a_report_written_later_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = written(tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2))))
    other = written(tmp_path / "two.edi", interchanges.x12("856", interchanges.notice("1002", TWO, ("B", 1))))
    post(capsys, first)
    ended = post(capsys, other)

    program.here(capsys, "runs", ended.summary["run_id"], "--ledger", "l.db", "--report", tmp_path / "later")

    assert program.table(tmp_path / "later" / "rows.csv") == program.table(
        Path(ended.summary["reports"]["rows"])
    )


def test_an_interchange_that_came_twice_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    written(tmp_path / "one.edi", text + text)
    written(tmp_path / "two.edi", text)

    ended = post(capsys, tmp_path / "one.edi", tmp_path / "two.edi")

    assert (ended.status, rows(ended)) == (
        0,
        [("1001", "created", ""), ("1001", "skipped", ""), ("1001", "skipped", "")],
    )
    assert ended.summary["warnings"] == {"interchange-again": 2}
    assert [name.partition("-")[0] for name in answers(ended)] == ["997"]


def test_a_document_that_stands_twice_in_an_interchange_counts_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notice = interchanges.notice("1001", ONE, ("A", 2), ("A", 2))
    manifest = written(tmp_path / "one.edi", interchanges.x12("856", notice, notice))

    ended = post(capsys, manifest)

    told = [row["import_warning"] for row in program.table(Path(ended.summary["reports"]["rows"]))]
    assert rows(ended) == [("1001", "created", "")] * 4
    assert [warning.partition("; ")[2] for warning in told] == [
        "",
        "both are counted",
        "counted once",
        "counted once",
    ]


def test_a_test_interchange_is_noted_answered_as_a_test_and_not_posted_where_the_layout_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2))).replace("*0*P*>", "*0*T*>")
    manifest = written(tmp_path / "test.edi", text)
    refusing = written(
        tmp_path / "ours.toml", 'name = "ours"\n[edi.partners.NORTHSUPPLY]\naccepts_tests = false\n'
    )

    refused, accepted = post(capsys, manifest, "--layout", refusing), post(capsys, manifest)

    assert rows(refused) == [("1001", "invalid", "document-cancelled")]
    assert {text.split("~")[0][-3:] for text in answers(refused).values()} == {"T*>"}
    assert rows(accepted) == [("1001", "created", "")]
    assert accepted.summary["manifests"][0]["notes"] == ["ISA 000000031: ISA15 is T: a test interchange"]


def test_a_rejected_transaction_holds_back_no_sound_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12(
        "856",
        interchanges.notice("1001", ONE, ("A", 2)),
        interchanges.notice("1001", ONE, ("A", 2), reference="SN2"),
    )
    manifest = written(tmp_path / "both.edi", text.replace("SE*12*0001", "SE*13*0001"))

    ended = post(capsys, manifest)

    assert rows(ended) == [("1001", "invalid", "transaction-rejected"), ("1001", "created", "")]


def test_a_line_without_order_and_number_holds_back_no_neighbour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = [
        segment for segment in interchanges.notice("", "", ("B", 1)) if segment not in {"PRF*", "MAN*CP*"}
    ]
    text = interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)), nameless)

    ended = post(capsys, written(tmp_path / "both.edi", text))

    assert [row[1] for row in rows(ended)] == ["created", "invalid"]


def test_held_rows_are_named_and_a_value_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2), ("B", 1)))

    written(tmp_path / "one.edi", text.replace("SN1**1*EA", "SN1**1*CA"))

    ended = post(capsys, "one.edi")

    assert rows(ended) == [("1001", "held", "parcel-held"), ("1001", "invalid", "unit-of-measure")]
    [advice] = [text for name, text in answers(ended).items() if name.startswith("824")]
    assert [part.split("*") for part in advice.split("~") if part[:3] == "TED"] == [
        ["TED", "848", "held back: segment 13 of one.edi is not fine and shares its", "HL", "8"],
        ["TED", "848", "quantity: found '1 CA', expected pieces", "HL", "11", "", "", "1 CA"],
    ]
    assert "~OTI*TR*" in advice


def test_a_transaction_with_open_rows_is_told_by_the_run_that_finishes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADM_TOKEN", "a-token")
    body = interchanges.notice("1001", ONE, ("A", 2))[:-1]
    body += ["HL*5*1*O", "PRF*1002", "HL*6*5*P", f"MAN*CP*{TWO}", "HL*7*6*I", "LIN**SK*B", "SN1**1*EA"]
    manifest = written(tmp_path / "one.edi", interchanges.x12("856", body))
    replies = {1001: program.refusal(404), 1002: program.refusal(401)}

    def answer(seen: program.Seen) -> program.Reply:
        return replies.get(seen.body["order_id"], program.created(seen))

    with program.Platform(answer) as platform:
        program.configuration(tmp_path / "importer.toml", platform.url)
        arguments = ("post", manifest, "--to", "adm", "--json", "--ledger", "l.db")
        stopped = program.here(capsys, *arguments)
        del replies[1002]
        finished = program.here(capsys, *arguments)

    assert [name.partition("-")[0] for name in answers(stopped)] == ["997"]
    assert rows(finished) == [("1001", "rejected", "destination-404"), ("1002", "created", "")]
    assert [name.partition("-")[0] for name in answers(finished)] == ["824", "997"]
    assert "~OTI*TE*" in next(iter(answers(finished).values()))


def test_of_many_refused_rows_a_thousand_are_told_and_how_many_more_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [(f"S{number}", 1) for number in range(1_003)]
    text = interchanges.x12("856", interchanges.notice("1001", ONE, *items)).replace("*1*EA", "*1*CA")

    ended = program.here(capsys, "check", written(tmp_path / "one.edi", text), "--acks", "--json")

    [advice] = [text for name, text in answers(ended).items() if name.startswith("824")]
    told = [part for part in advice.split("~") if part[:3] == "TED"]
    assert (len(told), told[-1]) == (1_001, "TED*848*and 3 more")


def test_a_report_written_later_says_that_partners_are_not_answered_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = written(
        tmp_path / "one.edi", interchanges.x12("856", interchanges.notice("1001", ONE, ("A", 2)))
    )
    run = post(capsys, manifest).summary["run_id"]

    ended = program.here(capsys, "runs", run, "--ledger", "l.db", "--report", tmp_path / "later")

    assert "  the answers to EDI partners are not written again; run the same command again: " in ended.out
