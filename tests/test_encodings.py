"""Bytes → text: the encoding is decided on the whole file, and what is no text is told from what is."""

from __future__ import annotations

import codecs
import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from importer.errors import ManifestError
from importer.manifests import encodings
from importer.manifests.encodings import CHUNK_BYTES
from importer.manifests.sources import Source
from tests.program import here, settle_in, table

HEADER = "Order #,SKU,Qty,Tracking #\n"
ADVICE = (
    "; expected UTF-8, UTF-16, cp1252 or GB18030 throughout: "
    "save the file again as UTF-8, or name its encoding with --encoding"
)
MEBIBYTE = 1024 * 1024


def manifest(folder: Path, data: bytes) -> Source:
    path = folder / "march.csv"
    path.write_bytes(data)
    return Source("march.csv", path)


def found(folder: Path, data: bytes) -> str:
    return encodings.survey(manifest(folder, data)).encoding


def refusal(folder: Path, data: bytes, encoding: str | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        encodings.survey(manifest(folder, data), encoding)
    return str(caught.value)


def text_of(source: Source, encoding: str | None = None) -> str:
    encoded = encodings.survey(source, encoding)
    return b"".join(encodings.utf8_chunks(source, encoded)).decode()


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
        ("utf-32-be", codecs.BOM_UTF32_BE),
    ],
)
def test_unicode_is_known_with_and_without_its_mark(tmp_path: Path, encoding: str, mark: bytes) -> None:
    text = "订单号,SKU,Menge,Tracking #\r\n7001,TASSE-GRÜN,2,1Z999AA10123456784 😀\r\n"
    data = mark + text.encode(encoding)
    source = manifest(tmp_path, data)
    encoded = encodings.survey(source)

    assert (encoded.encoding, encoded.mark) == (encoding, len(mark))
    assert (encoded.sha256, encoded.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert text_of(source) == text


@pytest.mark.parametrize(
    "text",
    [
        "Größe",
        "Bestellnummer;Artikel;Stück;Sendungsnummer\n1;Tasse grün;2;00340434161094042557",
        "Straße;Außenmaß;Füße",
        "EMPFÄNGER;GRÖSSE;STÜCK",
        "»Spaß« und „Maß“",
        "EmpfängerName;StückZahl",
        "Numéro de commande;Quantité;Désignation;N° de suivi",
        "café",
        "une œuvre à l’été",  # noqa: RUF001 - as the French write it
        "CRÉÉE;DÉJÀ",
        "É;à;Ö",
        "ÅÄÖ",
        "ÅÄÖA",
        "MÄÄRÄ;TUOTE",
        "Määrä;Hääyö;Sää",
        "Año;N.º de envío;Señor Ñandú",
        "DESCRIÇÃO;OPERAÇÃO",
        "Iñtërnâtiônàlizætiøn",
        "5°C;½ kg;£5;5 €",
        "24\u00b4\u00b4",
        "24\u00b4\u00b4;É»",
        "¡¡Oferta!!",
        "»CAFÉ»",
        "Çà et là",
    ],
)
def test_western_text_is_cp1252_however_little_there_is_of_it(tmp_path: Path, text: str) -> None:
    source = manifest(tmp_path, f"{text};x\n".encode("cp1252"))

    assert encodings.survey(source).encoding == "cp1252"
    assert text_of(source) == f"{text};x\n"


@pytest.mark.parametrize(
    "text",
    [
        "单号",
        "订单号,商品编码,数量,运单号\n7001,MUG,2,SF1234567890123",
        "快递单号\t货号\t件数",
        "Order #,SKU,Qty,Tracking #,收件人\n7001,MUG,2,SF1234567890123,张三",
        "收件人：朱镕基，地址（北京）",  # noqa: RUF001 - as the Chinese write it
        "10件",
        "T恤",
        "iPhone手机壳",
        "箱,盒",
        "T恤,裤",
        "SKU编码",
        "商品SKU编码",
        "白色XL",
        "A款",
        "5个",
        "大,中,小",
        "顺丰",
        "中国邮政",
        "￥12",
        "訂單編號,數量,運單號,商品名稱",
        "😀 手机",
    ],
)
def test_chinese_text_is_gb18030_however_little_there_is_of_it(tmp_path: Path, text: str) -> None:
    source = manifest(tmp_path, f"{text},x\n".encode("gb18030"))

    assert encodings.survey(source).encoding == "gb18030"
    assert text_of(source) == f"{text},x\n"


WESTERN_WORDS = (
    *("GRÖßE", "GRÖßE-XL", "STRAßENGRÖßE", "MÄßIG", "BLÖßE", "FÜßE", "Süß", "Geiß", "Röß-chen", "Öl", "Maß"),
    *("Ääkkönen", "ÄÄNI", "Hääyö", "Yö", "Sää", "Ä", "MÜÜGI", "Müügi", "SJÖÄNG", "Blåbær", "ÆØÅ", "Øl"),
    *(
        "Þór",
        "ÓÐUR",
        "Óður",
        "Ísland",
        "œuvre",
        "CŒUR",
        "Çà",
        "Àé",
        "FRÊLÉE",
        "Frêlée",
        "CRÉÉE",
        "réel",
        "AÉRÉ",
    ),
    *("ÑANDÚ", "Ñandú", "AÇAÍ", "AÇÃO", "Ações", "PÃO", "São", "RÉÉL", "NAÏF", "Préé", "ŠKODA"),
)


@pytest.mark.parametrize("word", WESTERN_WORDS)
def test_a_western_word_that_might_be_chinese_by_its_bytes_alone_is_cp1252(tmp_path: Path, word: str) -> None:
    once = f"{HEADER}1001,{word},2,TRACK10001\n"
    often = f"{once}1002,A-{word},1,TRACK10002\n1003,GRÖßE-{word} x,1,TRACK10003\n" * 3

    for text in (word, once, often):
        source = manifest(tmp_path, text.encode("cp1252"))
        assert encodings.survey(source).encoding == "cp1252"
        assert text_of(source) == text


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030", "utf-8"])
def test_what_stands_in_the_header_alone_decides(tmp_path: Path, encoding: str) -> None:
    header = "Größe" if encoding == "cp1252" else "运单号"
    data = f"{header};SKU\n".encode(encoding) + b"7001;MUG\n" * 10_000

    assert found(tmp_path, data) == encoding


@pytest.mark.parametrize(("encoding", "last"), [("cp1252", "é"), ("gb18030", "运单号"), ("utf-8", "é")])
def test_what_stands_after_20_megabytes_of_ascii_decides(tmp_path: Path, encoding: str, last: str) -> None:
    source = manifest(tmp_path, HEADER.encode() + b"7001,MUG,2,1Z\n" * 1_500_000 + last.encode(encoding))
    encoded = encodings.survey(source)

    assert encoded.encoding == encoding
    assert b"".join(encodings.utf8_chunks(source, encoded)).endswith(f"1Z\n{last}".encode())


def test_a_replacement_character_in_a_utf8_file_is_a_character(tmp_path: Path) -> None:
    assert found(tmp_path, "Zo\ufffd,Z\ufffd\n".encode()) == "utf-8"


def test_western_text_may_end_within_what_would_be_a_character_in_utf8(tmp_path: Path) -> None:
    assert found(tmp_path, b"caf\xe9") == "cp1252"


@pytest.mark.parametrize("size", [MEBIBYTE, CHUNK_BYTES])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16-le"])
def test_a_character_may_stand_across_the_border_of_what_is_read_at_once(
    tmp_path: Path, size: int, encoding: str
) -> None:
    width = len("x".encode(encoding))
    text = "x" * (size // width - 1) + "手😀\n"
    for told in (text, f"手{text[2:]}"):
        source = manifest(tmp_path, told.encode(encoding))

        assert encodings.survey(source).encoding == encoding
        assert text_of(source) == told


@pytest.mark.parametrize(
    ("data", "where"),
    [
        ("Größe,Stück\nein,Übel\n".encode() + b"\xfcber\n", "line 3, column 1: the bytes FC are not utf-8"),
        ("Ö,Ä,Ü\r\nÖ,Ä\r\rÖ".encode() + b"\xe4x\n", "line 4, column 2: the bytes E4 are not utf-8"),
        ("a,Größe,Übel,ß".encode() + b"\xe2\x82", "line 1, column 15: the bytes E2 82 are not utf-8"),
        ("订单号\n".encode("gb18030") * 9 + b"ab\xff\n", "line 10, column 3: the bytes FF are not gb18030"),
        (b"a,b\nSt\x81ck", "line 2, column 3: the bytes 81 are not cp1252"),
        (
            codecs.BOM_UTF8 + "Ö\nÖÖ".encode() + b"\xe9",
            "line 2, column 3: the bytes E9 are not utf-8",
        ),
        (
            codecs.BOM_UTF16_LE + "a\nb".encode("utf-16-le") + b"\x00\xd8c\x00",
            "line 2, column 2: the bytes 00 D8 are not utf-16-le",
        ),
        (codecs.BOM_UTF16_BE + b"\x00a\x00", "line 1, column 2: the bytes 00 are not utf-16-be"),
    ],
)
def test_bytes_that_can_not_be_decoded_are_named_with_their_place(
    tmp_path: Path, data: bytes, where: str
) -> None:
    assert refusal(tmp_path, data) == f"march.csv, {where}{ADVICE}"


def test_one_broken_byte_late_in_a_long_file_is_named_with_its_place(tmp_path: Path) -> None:
    line = "7001,Tasse grün,2,1Z\r\n".encode()
    data = line * 100_000 + b"7002,Tasse gr\xfcn,2,1Z\r\n" + line * 100_000

    assert refusal(tmp_path, data) == (
        f"march.csv, line 100001, column 14: the bytes FC are not utf-8{ADVICE}"
    )


def test_an_encoding_that_the_user_names_is_taken(tmp_path: Path) -> None:
    source = manifest(tmp_path, "Połączenie;1\n".encode("cp1250"))

    assert text_of(source, "cp1250") == "Połączenie;1\n"


def test_an_encoding_that_the_user_names_must_decode_the_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, b"a\n\xe9,b\n", "utf-8") == (
        f"march.csv, line 2, column 1: the bytes E9 are not utf-8{ADVICE}"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_an_encoding_with_a_byte_order_mark_is_asked_for_one(tmp_path: Path, encoding: str) -> None:
    data = HEADER.encode(f"{encoding}-le")

    assert refusal(tmp_path, HEADER.encode(), encoding).startswith("march.csv, line 1, column 1: ")
    assert refusal(tmp_path, data, encoding) == (
        f"march.csv, line 1, column 1: no byte order mark, which {encoding} begins with; "
        f"try --encoding {encoding}-le, or {encoding}-be"
    )
    assert text_of(manifest(tmp_path, data), f"{encoding}-le") == HEADER


NO_ENCODINGS = (
    *("utf-7", "UTF7", "unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined"),
    *("rot13", "hex", "zlib", "base64", "none-such", "", "a\0b", "é"),
)


def test_an_encoding_that_a_manifest_can_be_read_in_is_called_by_its_own_name() -> None:
    names = ("utf8", "UTF-16", "latin1", "windows-1252", "GB2312", "Shift_JIS", "cp037")

    assert {name: encodings.usable(name) for name in names} == {
        "utf8": "utf-8",
        "UTF-16": "utf-16",
        "latin1": "iso8859-1",
        "windows-1252": "cp1252",
        "GB2312": "gb2312",
        "Shift_JIS": "shift_jis",
        "cp037": "cp037",
    }
    assert {name: encodings.usable(name) for name in NO_ENCODINGS} == dict.fromkeys(NO_ENCODINGS)


@pytest.mark.parametrize("encoding", [name for name in NO_ENCODINGS if name])
def test_an_encoding_that_no_manifest_can_be_read_in_is_refused(tmp_path: Path, encoding: str) -> None:
    assert refusal(tmp_path, HEADER.encode(), encoding) == (
        f"march.csv: can't be read in the encoding {encoding}; expected one such as utf-8, utf-16-le, cp1252 "
        "or gb18030: name another with --encoding, or none"
    )


def test_a_zero_byte_in_text_is_named_with_its_place(tmp_path: Path) -> None:
    assert refusal(tmp_path, f"{HEADER}1001,GRÜ\0N,2,1Z\n".encode()) == (
        "march.csv, line 2, column 9: a zero byte, which is no text; "
        "take it out, or export the manifest again"
    )


def test_a_byte_order_mark_is_stronger_than_an_encoding_that_the_user_names(tmp_path: Path) -> None:
    source = manifest(tmp_path, codecs.BOM_UTF8 + "Größe\n".encode())

    assert text_of(source, "cp1252") == "Größe\n"


def zipped() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("march.csv", HEADER)
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty; a manifest has at least a header row"),
        (b" \r\n\t\n", "the file is empty; a manifest has at least a header row"),
        (codecs.BOM_UTF8, "the file is empty; a manifest has at least a header row"),
        (codecs.BOM_UTF16_LE + b"\n\0", "the file is empty; a manifest has at least a header row"),
        (
            zipped(),
            "the file is a zip archive or an .xlsx workbook, not delimited text; export it as CSV",
        ),
        (b"\x1f\x8b\x08\0\0", "the file is gzipped, not delimited text; export it as CSV"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "the file is an .xls workbook, not delimited text; export it as CSV",
        ),
        (b"%PDF-1.7\n", "the file is a PDF document, not delimited text; export it as CSV"),
        (b"ISA*00*          *00*", "the file is X12 EDI, not delimited text; export it as CSV"),
        (b"UNA:+.? 'UNB+UNOC:3", "the file is EDIFACT, not delimited text; export it as CSV"),
        (b"UNB+UNOC:3+123", "the file is EDIFACT, not delimited text; export it as CSV"),
        *(
            (data, f"the file is {what}; open it in a spreadsheet program and save it as .xlsx")
            for data, what in (
                (b"<!DOCTYPE html>\n<html>", "a web page"),
                (b"\r\n <HTML>", "a web page"),
                (codecs.BOM_UTF8 + b"<?xml version='1.0'?>", "an XML document"),
                (b"<table border=1>", "a web page"),
                (codecs.BOM_UTF16_LE + "<html><table>".encode("utf-16-le"), "a web page"),
            )
        ),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0\0\0\1",
            "the file is not text (it has zero bytes); export it as CSV",
        ),
    ],
)
def test_a_file_that_is_no_text_is_called_what_it_is(tmp_path: Path, data: bytes, words: str) -> None:
    assert refusal(tmp_path, data) == f"march.csv: {words}"


def test_much_white_space_above_a_table_is_not_an_empty_file(tmp_path: Path) -> None:
    assert found(tmp_path, b"\n" * 5000 + b"a,b\n") == "utf-8"


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        encodings.survey(Source("march.csv", tmp_path))

    assert str(caught.value) == "march.csv: can't be read: Is a directory"


def test_a_file_that_has_changed_since_it_was_surveyed_is_refused(tmp_path: Path) -> None:
    source = manifest(tmp_path, HEADER.encode())
    encoded = encodings.survey(source)
    source.path.write_text(f"{HEADER}7001,MUG,2,1Z\n", encoding="utf-8")

    with pytest.raises(ManifestError) as caught:
        list(encodings.utf8_chunks(source, encoded))

    assert str(caught.value) == (
        "march.csv: changed while it was read; wait until it is written completely and run again"
    )


def test_a_file_that_another_has_taken_the_place_of_is_refused(tmp_path: Path) -> None:
    source = manifest(tmp_path, HEADER.encode())
    encoded = encodings.survey(source)
    other = tmp_path / "other.csv"
    other.write_text(HEADER, encoding="utf-8")
    os.utime(other, ns=(encoded.stamp[2], encoded.stamp[2]))
    other.replace(source.path)

    with pytest.raises(ManifestError, match="changed while it was read"):
        list(encodings.utf8_chunks(source, encoded))


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    source = manifest(tmp_path, b"7001,MUG,2,1Z\n" * (CHUNK_BYTES // 14 + 2))
    encoded = encodings.survey(source)
    chunks = encodings.utf8_chunks(source, encoded)
    next(chunks)
    with source.path.open("ab") as file:
        file.write(b"7002")

    with pytest.raises(ManifestError, match="changed while it was read"):
        list(chunks)


def test_a_file_that_is_cut_within_a_character_while_it_is_read_is_refused(tmp_path: Path) -> None:
    source = manifest(tmp_path, codecs.BOM_UTF16_LE + "é\n".encode("utf-16-le") * (CHUNK_BYTES // 4 + 8))
    encoded = encodings.survey(source)
    chunks = encodings.utf8_chunks(source, encoded)
    next(chunks)
    with source.path.open("r+b") as file:
        file.seek(CHUNK_BYTES + 2)
        file.write(b"\x00\xdc")

    with pytest.raises(ManifestError, match="changed while it was read"):
        list(chunks)


def test_a_web_page_that_calls_itself_a_workbook_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "march.XLS"
    path.write_bytes(b"<html><table><tr><td>order_id</td></tr></table></html>")

    with pytest.raises(ManifestError) as caught:
        encodings.survey(Source("march.XLS", path))

    assert str(caught.value) == (
        "march.XLS: the file is a web page that calls itself .XLS; open it in a spreadsheet program and save "
        "it as .xlsx"
    )


@pytest.mark.parametrize(
    ("encoding", "named", "is_guessed"),
    [
        ("ascii", None, False),
        ("utf-8", None, False),
        ("utf-16", None, False),
        ("utf-16-le", None, False),
        ("cp1252", "cp1252", False),
        ("cp1252", None, True),
        ("gb18030", None, True),
    ],
)
def test_an_encoding_that_nothing_in_the_file_tells_is_said_to_be_guessed(
    tmp_path: Path,
    encoding: str,
    named: str | None,
    *,
    is_guessed: bool,
) -> None:
    word = {"ascii": "Cup", "gb18030": "收件人张三"}.get(encoding, "Größe")

    encoded = encodings.survey(manifest(tmp_path, f"{HEADER}7001,{word},1,T10001\n".encode(encoding)), named)

    assert encoded.is_guessed is is_guessed


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize(
    ("end", "is_cut"), [("\n", False), ("\r\n", False), ("\r", False), ("\n\x1a", False), ("", True)]
)
def test_whether_the_last_line_has_its_end_is_seen(
    tmp_path: Path,
    encoding: str,
    end: str,
    *,
    is_cut: bool,
) -> None:
    assert encodings.survey(manifest(tmp_path, f"a,b\n1,2{end}".encode(encoding))).is_cut is is_cut


def test_cells_that_hang_on_a_guess_are_warned_of_and_a_last_line_without_an_end_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settle_in(tmp_path, monkeypatch)
    rows = "1001,Größe,1,TRACK10001\n1002,Cup,1,TRACK10002\n1003,Maß,1,TRACK10003"
    Path("m.csv").write_bytes(f"{HEADER}{rows}".encode("cp1252"))

    guessed = here(capsys, "check", "m.csv", "--report", "R", "--json")
    named = here(capsys, "check", "m.csv", "--encoding", "cp1252", "--json")

    assert [row["import_warning"] for row in table(Path("R", "rows.csv"))] == [
        "encoding-guessed: SKU: read as cp1252, which was guessed: 'Größe'",
        "",
        "encoding-guessed: SKU: read as cp1252, which was guessed: 'Maß'",
    ]
    assert (guessed.status, guessed.summary["warnings"]) == (0, {"encoding-guessed": 2})
    notes = guessed.summary["manifests"][0]["notes"]
    assert "the last line has no line end: the file may be cut off" in notes
    assert named.summary["warnings"] == {}
