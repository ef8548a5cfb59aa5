"""Bytes → segments: delimiters, positions and offsets of whatever partners send, and where it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from importer.manifests.edi.segments import (
    LONGEST_SEGMENT_BYTES,
    Delimiters,
    Segment,
    Stretch,
    read,
)
from importer.manifests.edi.standards import Standard, begins_edi
from importer.manifests.edi.units import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = b"\xef\xbb\xbf"
X12 = Delimiters(element="*", component=">", segment="~")
EDIFACT = Delimiters(element="+", component=":", segment="'", release="?")
X12_BY_DEFAULT = Delimiters("*", ":", "~")
THREE_DIFFERENT = "expected three different characters, no letters or digits"
UNB = "UNB+UNOC:3+ACME:14+SHOP:14+240501:0930+77'"


def isa(delimiters: Delimiters = X12, isa11: str = "U", version: str = "00401", number: int = 31) -> str:
    elements = (
        *("ISA", "00", " " * 10, "00", " " * 10, "ZZ", f"{'ACME':15}", "ZZ", f"{'SHOP':15}"),
        *("240501", "0930", isa11, version, f"{number:09}", "0", "P", delimiters.component),
    )
    return delimiters.element.join(elements) + delimiters.segment


def stretches(data: bytes | str, size: int = 1_000_000) -> list[Stretch]:
    raw = data.encode() if isinstance(data, str) else data
    return list(read(raw[at : at + size] for at in range(0, len(raw), size)))


def segments(data: bytes | str) -> list[list[str]]:
    return [segment.elements for stretch in stretches(data) for segment in stretch.segments]


def faults(data: bytes | str) -> list[Fault]:
    return [stretch.fault for stretch in stretches(data) if stretch.fault]


def tags(data: bytes | str) -> str:
    return " ".join(elements[0] for elements in segments(data))


def test_x12_is_cut_at_the_delimiters_that_its_isa_names() -> None:
    data = f"{isa()}TA1*000000030~\n  ST*856*0001~\r\nIEA*0*000000031~\n"
    assert [replace(found, segments=found.segments[1:]) for found in stretches(data)] == [
        Stretch(
            Standard.X12,
            X12,
            [
                Segment(["TA1", "000000030"], 2, 106),
                Segment(["ST", "856", "0001"], 3, 123),
                Segment(["IEA", "0", "000000031"], 4, 137),
            ],
        )
    ]
    assert segments(data)[0][6:] == isa()[:-1].split("*")[6:]


@pytest.mark.parametrize(
    ("una", "head", "delimiters"),
    [
        ("", "UNB+UNOC:3+A", EDIFACT),
        ("", "UNB+UNOA:4+A", replace(EDIFACT, repetition="*")),
        ("UNA:+,? '", "UNB+UNOC:3+A", replace(EDIFACT, decimal=",")),
        ("UNA:+.?*'\r\n", "UNB+UNOC:3+A", EDIFACT),
        ("UNA:+.?*'", "UNB+UNOC:4+A", replace(EDIFACT, repetition="*")),
        ("UNA:+.  '\n", "UNB+UNOC:3+A", replace(EDIFACT, release="")),
        ("UNA|^.\\ !  ", "UNB^UNOC|3^A", Delimiters("^", "|", "!", "", "\\")),
        ("UNA\x1f\x1d.  \x1c", "UNB\x1dUNOB\x1f1\x1dA", Delimiters("\x1d", "\x1f", "\x1c")),
        ("UNA:+.? \n", "UNB+UNOC:3+A", replace(EDIFACT, segment="\n")),
    ],
)
def test_edifact_is_cut_at_the_delimiters_of_una_or_else_of_the_standard(
    una: str, head: str, delimiters: Delimiters
) -> None:
    end = f"UNZ{delimiters.element}0"
    data = una + head + delimiters.segment + end + delimiters.segment
    elements = head.split(delimiters.element)
    begin = len(una)
    found = [Segment(elements, 1, begin), Segment(["UNZ", "0"], 2, begin + len(head) + 1)]
    assert stretches(data) == [Stretch(Standard.EDIFACT, delimiters, found)]


@pytest.mark.parametrize(
    ("isa11", "version", "repetition"),
    [("U", "00401", ""), ("^", "00401", ""), ("^", "00501", "^"), ("U", "00501", ""), (" ", "00501", "")],
)
def test_isa11_separates_repetitions_since_00402(isa11: str, version: str, repetition: str) -> None:
    assert stretches(isa(X12, isa11, version))[0].delimiters == replace(X12, repetition=repetition)


def test_interchanges_that_are_run_together_have_each_their_own_delimiters() -> None:
    other = Delimiters("|", "<", "\n")
    data = (
        f"{isa()}IEA*0*000000031~{isa(other)}IEA|0|000000031\n"
        f"{UNB}UNZ+0+77'UNA:*.? #UNB*UNOC:3*A#UNZ*0*1#{UNB}UNZ+0+77'"
    )
    found = stretches(data)
    assert [stretch.delimiters for stretch in found] == [
        *(X12, other, EDIFACT),
        *(replace(EDIFACT, element="*", segment="#"), EDIFACT),
    ]
    assert [segment.position for stretch in found for segment in stretch.segments] == [*range(1, 11)]
    assert tags(data) == "ISA IEA ISA IEA UNB UNZ UNB UNZ UNB UNZ"


@pytest.mark.parametrize(
    "gap", ["", "\n", "\r\n \t", "\ufeff", "\n\ufeff", "\x00\x00\x1a\r\n", "\n" * 40_000]
)
def test_filler_between_interchanges_and_at_both_ends_is_passed_over(gap: str) -> None:
    data = f"{gap}{isa()}IEA*0*000000031~{gap}{UNB}UNZ+0+77'{gap}"
    raw = data.encode()
    found = stretches(data)
    assert [stretch.fault for stretch in found] == [None, None]
    assert [raw[segment.offset :][:3] for stretch in found for segment in stretch.segments] == [
        *(b"ISA", b"IEA", b"UNB", b"UNZ")
    ]


def test_line_breaks_in_a_segment_are_no_data() -> None:
    text = f"{isa()}ST*856*0001~N1*ST*DEPOT*92*4711~SE*3*0001~"
    wrapped = "\r\n".join(text[at : at + 20] for at in range(0, len(text), 20))
    assert segments(wrapped) == segments(text)
    assert segments(f"{UNB}FTX+A?\n?\n'") == segments(f"{UNB}FTX+A??'")
    assert segments(f"{UNB}FTX+AAI+++O?\r\n'NEIL?\n+SON'") == segments(f"{UNB}FTX+AAI+++O?'NEIL?+SON'")


@pytest.mark.parametrize("ending", ["", "\n", "\r\n\x1a", "\x00\x00"])
def test_segment_without_its_terminator_is_read_and_told(ending: str) -> None:
    whole, cut = (stretches(isa() + end) for end in ("IEA*0*000000031~", f"IEA*0*000000031{ending}"))
    assert [replace(stretch, unterminated=True) for stretch in whole] == cut
    assert tags(f"{isa()}IEA*0*31\n{UNB}UNZ+0+77'") == "ISA IEA UNB UNZ"


def test_interchange_that_breaks_off_in_a_segment_leaves_the_next_one_whole() -> None:
    data = f"{isa()}ST*856*0001~SN1*1*\n{isa(number=32)}IEA*0*000000032~"
    assert [[each.elements[0] for each in stretch.segments] for stretch in stretches(data)] == [
        ["ISA", "ST", "SN1"],
        ["ISA", "IEA"],
    ]
    assert [stretch.unterminated for stretch in stretches(data)] == [True, False]


@pytest.mark.parametrize("text", ["VISA*00*", "NO'ISA", "UNBRANDED", "UNA", "UNB+UNOC"])
def test_value_that_looks_like_a_head_is_none(text: str) -> None:
    element = text.replace("'", "?'").replace("+", "?+")
    assert segments(f"{UNB}FTX+{element}'UNZ+0+77'")[1] == ["FTX", element]
    assert segments(f"{UNB}FTX+{element}\n+{element}'UNZ+0+77'")[1] == ["FTX", element, element]


def test_released_terminator_before_a_head_like_value_ends_nothing() -> None:
    assert segments(f"{UNB}FTX+A?'UNB?+UNOC'UNZ+0+77'")[1] == ["FTX", "A?'UNB?+UNOC"]


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("Weiß …".encode(), "Weiß …"),
        ("Weiß …".encode("cp1252"), "Weiß …"),
        (b"\x81\x9d", "\x81\x9d"),
    ],
)
def test_x12_is_utf_8_or_else_cp1252_segment_by_segment(raw: bytes, text: str) -> None:
    data = isa().encode() + "N1*ST*Höfe~".encode() + b"N2*" + raw + b"~IEA*0*000000031~"
    found = stretches(data)[0].segments
    assert [segment.elements for segment in found[1:3]] == [["N1", "ST", "Höfe"], ["N2", text]]
    assert data[found[3].offset :] == b"IEA*0*000000031~"


@pytest.mark.parametrize(
    ("identifier", "encoding", "text"),
    [
        ("UNOA", "utf-8", "Höfe"),
        ("UNOC", "utf-8", "Höfe"),
        ("UNOC", "latin-1", "Höfe"),
        ("UNOD", "iso8859-2", "Łódź"),
        ("UNOE", "iso8859-5", "Москва"),
        ("UNOF", "iso8859-7", "Αθήνα"),
        ("UNOK", "iso8859-9", "İzmir"),
        ("UNOW", "utf-8", "東京"),
    ],
)
def test_edifact_is_utf_8_or_else_what_its_syntax_identifier_says(
    identifier: str, encoding: str, text: str
) -> None:
    data = f"UNB+{identifier}:3+A'NAD+BY+{text}?'s'UNZ+0+77'".encode(encoding)
    assert segments(data)[1] == ["NAD", "BY", f"{text}?'s"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize(("element", "segment"), [("*", "…"), ("§", "~"), ("§", "¶")])
def test_delimiters_can_be_beyond_ascii(encoding: str, element: str, segment: str) -> None:
    delimiters = Delimiters(element, ">", segment)
    raw = (isa(delimiters) + f"\r\nN1{element}Höfe{segment}").encode(encoding)
    found = stretches(raw)
    assert found[0].delimiters == delimiters
    assert found[0].segments[1] == Segment(["N1", "Höfe"], 2, len(isa(delimiters).encode(encoding)) + 2)


def test_isa_with_unpadded_elements_is_read_with_a_fault() -> None:
    head = "ISA*00* *00* *ZZ*ACME*ZZ*SHOP*240501*0930*U*00401*000000031*0*P*>~"
    fault = Fault(
        "interchange-head",
        "ISA is 66 characters long, expected 106: its elements are not padded",
        Place(1, 0, "ISA"),
        head,
    )
    data = f"{head}\nTA1*000000030~\nIEA*0*000000031~\n"
    assert tags(data) == "ISA TA1 IEA"
    assert [(found.delimiters, found.fault) for found in stretches(data)] == [(X12, fault)]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_isa_without_its_component_separator_is_read_with_a_fault(ending: str) -> None:
    head = isa().replace("*>~", "*~")
    fault = Fault(
        "interchange-head",
        "ISA has no ISA16: '~' and a line break end it and the segments behind it; expected the component "
        "separator, and then what ends each segment",
        Place(1, 0, "ISA"),
        head,
    )
    body = "".join(f"LIN**SK*SKU-{count}~{ending}" for count in range(100))
    for text in (f"GS*SH~{ending}", f"GS*SH~{ending}{body}IEA*1*000000031~{ending}"):
        data = f"{head}{ending}{text}"
        assert tags(data) == tags(data.replace(head, isa()))
        assert [(found.delimiters, found.fault) for found in stretches(data)][:1] == [
            (Delimiters("*", "", "~"), fault)
        ]


def test_isa_whose_segments_end_with_their_line_may_have_any_component_separator() -> None:
    delimiters = Delimiters("*", "~", "\n")
    data = f"{isa(delimiters)}GS*SH\nSV*A~\nIEA*0*000000031\n"
    assert stretches(data)[0].delimiters == delimiters
    assert faults(data) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [f"{isa()}IEA*0*000000031~", f"\n{UNB}UNZ+0+77'"])
def test_edi_in_utf_16_is_told_to_be_so(encoding: str, text: str) -> None:
    data = text.encode(encoding)
    assert begins_edi(data) is (Standard.X12 if "ISA" in text else Standard.EDIFACT)
    message = (
        "the file is in UTF-16, two bytes for each character, and can't be read; expected UTF-8 or another "
        "encoding in which ISA and UNB are three bytes; save it as UTF-8"
    )
    assert [(found.code, found.message) for found in faults(data)] == [("damaged", message)]
    assert segments(data) == []


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("ISA*00*x~GS*SH~", "found 'ISA*00*x~GS*SH~', expected an ISA of 16 elements and 106 characters"),
        (
            isa().replace("~", "G"),
            f"ISA sets elements apart by '*', components by '>' and ends in 'G': {THREE_DIFFERENT}",
        ),
        (
            isa().replace(">", "*"),
            f"ISA sets elements apart by '*', components by '*' and ends in '~': {THREE_DIFFERENT}",
        ),
    ],
)
def test_isa_that_is_beyond_recovery_is_damage_and_the_next_interchange_is_read(
    head: str, message: str
) -> None:
    value = head if head.startswith("ISA*00*  ") else head[:40]
    data = f"{head}ST*856*0001~\n{UNB}UNZ+0+77'"
    assert [found.message for found in faults(data)] == [message.replace("GS*SH~'", "GS*SH~ST*856*0001~'")]
    assert faults(data)[0].code == "damaged"
    assert faults(data)[0].value.startswith(value)
    assert tags(data) == "UNB UNZ"


@pytest.mark.parametrize(
    "una",
    [
        "UNA:+.?'",
        "UNA:+.?'\n",
        "UNA:+.?'\r\n",
        "UNA:+.? ''",
        "UNA:+.?  ",
        "UNA:+.?:'",
        "UNA:+1? '",
        "UNA:+.? §",
    ],
)
def test_interchange_behind_a_una_that_is_not_nine_good_characters_is_not_read(una: str) -> None:
    data = f"{una}{UNB}RFF+ON:12332'UNZ+0+77'\n{isa()}IEA*0*000000031~"
    found = una.rstrip()
    fault = Fault(
        "interchange-head",
        f"found '{found}' of {len(found)} characters, expected 9: UNA, six signs of which the last ends each "
        "segment, and then UNB",
        Place(1, 0, "UNA"),
        found,
    )
    assert faults(data) == [fault]
    assert tags(data) == "ISA IEA"


def test_unb_with_other_separators_and_no_una_is_not_read() -> None:
    fault = Fault(
        "interchange-head",
        "found 'UNB*UNOC|3*A#UNZ*0*77#', expected UNB+, or a UNA before it that names other separators",
        Place(1, 0, "UNB"),
        "UNB*UNOC|3*A#UNZ*0*77#",
    )
    assert stretches("UNB*UNOC|3*A#UNZ*0*77#") == [Stretch(Standard.EDIFACT, EDIFACT, [], fault)]


@pytest.mark.parametrize(
    ("text", "standard", "tag", "what"),
    [
        ("ST*856*0001~SE*2*0001~", Standard.X12, "ST", "no ISA/GS envelope: "),
        ("GS*SH*ACME*SHOP~", Standard.X12, "GS", "no ISA/GS envelope: "),
        ("UNH+1+DESADV:D:96A:UN'", Standard.EDIFACT, "UNH", "no UNB envelope: "),
        ("-- sent by \x07 a telephone", Standard.EDIFACT, "", ""),
    ],
)
def test_what_stands_outside_of_any_interchange_is_told(
    text: str, standard: Standard, tag: str, what: str
) -> None:
    found = text.replace("\x07", " ")
    message = f"{what}found '{found}', expected an interchange, which begins with ISA, UNA or UNB"
    head = f"{UNB}UNZ+0+77'\n"
    fault = Fault("stray-segment", message, Place(3, len(head), tag), found)
    told = stretches(f"{head}{text}\n{isa()}IEA*0*000000031~")
    delimiters = EDIFACT if standard is Standard.EDIFACT else X12_BY_DEFAULT
    assert told[1] == Stretch(standard, delimiters, [], fault)
    assert [len(stretch.segments) for stretch in told] == [2, 0, 2]


def test_segment_that_never_ends_is_damage_and_the_next_interchange_is_read() -> None:
    data = f"{isa()}N1*ST*" + "x" * (LONGEST_SEGMENT_BYTES + 5_000) + f"\n{UNB}UNZ+0+77'"
    text = "N1*ST*" + "x" * 34
    fault = Fault(
        "damaged",
        f"after '{text}' there is no segment terminator '~' for 1 MiB",
        Place(2, 106, "N1"),
        text,
    )
    assert faults(data) == [fault]
    assert tags(data) == "ISA UNB UNZ"


def test_long_interchange_comes_in_stretches_while_it_is_read() -> None:
    taken = []

    def chunks() -> Iterator[bytes]:
        yield isa().encode()
        for number in range(1000):
            taken.append(number)
            yield b"LIN*1*SK*SKU-00001~" * 100

    found = read(chunks())
    first = next(found)
    assert len(taken) < 50
    assert len(first.segments) + sum(len(stretch.segments) for stretch in found) == 100_001


@pytest.mark.parametrize(
    ("head", "segment", "trailer"),
    [(isa(), "REF*BM*1~", "IEA*1*000000031~"), (UNB, "RFF+ON:1'", "UNZ+1+77'")],
)
def test_long_interchange_ends_with_its_trailer(head: str, segment: str, trailer: str) -> None:
    many = segment * 2_000
    found = stretches(head + many + trailer + many)
    assert sum(len(stretch.segments) for stretch in found) == 2_002
    assert [stretch.fault and stretch.fault.code for stretch in found[-2:]] == [None, "stray-segment"]


@pytest.mark.parametrize(("head", "tag"), [(isa(), "ISA"), (UNB, "UNB"), (f"UNA:+.? '{UNB}", "UNB")])
def test_interchange_begins_behind_a_long_one_that_has_no_trailer(head: str, tag: str) -> None:
    found = stretches(isa() + "REF*BM*1~" * 2_000 + head)
    assert sum(len(stretch.segments) for stretch in found[:-1]) == 2_001
    assert [segment.elements[0] for segment in found[-1].segments] == [tag]


def test_file_of_nothing_but_filler_has_no_stretches() -> None:
    assert stretches(MARK + b"\r\n\x00\x1a") == []
    assert stretches(b"") == []


@pytest.mark.parametrize(
    ("element", "components", "repetitions"),
    [
        ("", [""], [""]),
        ("A", ["A"], ["A"]),
        ("A:B::C", ["A", "B", "", "C"], ["A:B::C"]),
        ("A?:B:C??:D?", ["A:B", "C?", "D?"], ["A?:B:C??:D?"]),
        ("A:B*C?*D", ["A", "B*C*D"], ["A:B", "C?*D"]),
        ("???*??*?", ["?*?*?"], ["???*??", "?"]),
    ],
)
def test_elements_come_apart_at_what_is_not_released(
    element: str, components: list[str], repetitions: list[str]
) -> None:
    delimiters = replace(EDIFACT, repetition="*")
    assert delimiters.components(element) == components
    assert delimiters.repetitions(element) == repetitions
    assert delimiters.plain(element) == components[0]


def test_elements_are_whole_where_nothing_sets_their_parts_apart() -> None:
    delimiters = Delimiters("*", "", "~")
    assert delimiters.components("A:B^C") == ["A:B^C"]
    assert delimiters.repetitions("A:B^C") == ["A:B^C"]


@pytest.mark.parametrize(
    ("head", "standard"),
    [
        (isa(), Standard.X12),
        (f"\ufeff\r\n {isa()}", Standard.X12),
        ("ISA*00* *00*", Standard.X12),
        ("ST*856*0001~", Standard.X12),
        ("GS*SH*ACME*SHOP", Standard.X12),
        ("UNA:+.? '", Standard.EDIFACT),
        ("UNA:+.?'UNB", Standard.EDIFACT),
        ("UNA|^.\\ !\r\nUNB^UNOC", Standard.EDIFACT),
        (f"\n{UNB}", Standard.EDIFACT),
        ("UNH+1+DESADV:D:96A:UN'", Standard.EDIFACT),
        (f"ISA#00*  ~GS*SH~\n{isa()}", Standard.X12),
        (f"ISA#00*  ~GS*SH~{isa()}", Standard.X12),
        (f"Dear partner, here it is:\r\n\r\n{UNB}", Standard.EDIFACT),
        (f"{'-' * 4000}\n{UNB}", Standard.EDIFACT),
        (f"{'-' * 4096}\n{UNB}", None),
        (f'order,note\n1,"{isa()}"', None),
        (f"order,note\n1,{isa()}", None),
        ("", None),
        ("ISA,NAME,ZIP", None),
        ("ST,856,SKU", None),
        ("ST;AB;SKU", None),
        ("STATE*QTY", None),
        ("UNA,B,C\n", None),
        ("UNB,UNIT", None),
        ("Order #,SKU,Qty,Tracking #", None),
    ],
)
def test_edi_is_told_by_how_it_begins(head: str, standard: Standard | None) -> None:
    assert begins_edi(head.encode()) is standard


class Written(NamedTuple):
    """A file as it was written, and what was written."""

    data: bytes
    delimiters: Delimiters
    segments: list[Segment]


def _written(begin: str, drafts: list[list[str]], delimiters: Delimiters, gap: st.DrawFn) -> Written:
    data, found = begin, []
    for position, elements in enumerate(drafts, start=1):
        found.append(Segment(elements, position, len(data.encode())))
        data += delimiters.element.join(elements)
        data += delimiters.segment + gap(st.sampled_from(["", "\n", "\r\n", "\r\n  ", "\t"]))
    return Written(data.encode(), delimiters, found)


TAGS = st.sampled_from(["ST", "HL", "N1", "REF", "LIN", "RFF", "UNH", "QTY"])


def texts(without: str) -> st.SearchStrategy[str]:
    signs = "".join(sorted({*":*+?'~ Aé…\x00\x1a\ufeff"} - {*without}))
    allowed = st.characters(exclude_categories=["Cs"], exclude_characters="\r\n" + without)
    return st.text(st.sampled_from(signs) | allowed, max_size=6)


@st.composite
def x12(draw: st.DrawFn) -> Written:
    signs = draw(st.permutations([*"*~>|^:!\x1d\x1e…§"]))
    delimiters = Delimiters(signs[0], signs[1], draw(st.sampled_from([signs[2], "\n", "\r"])))
    elements = st.lists(texts(delimiters.element + delimiters.segment), max_size=4)
    drafts = [[draw(TAGS), *each] for each in draw(st.lists(elements, max_size=6))]
    head = isa(delimiters)[:-1].split(delimiters.element)
    return _written("", [head, *drafts, ["IEA", "1"]], delimiters, draw)


@st.composite
def edifact(draw: st.DrawFn) -> Written:
    """Each component has any text; the delimiters in it are released."""
    component, element, segment, release = draw(st.permutations([*":+'?|*~!"]))[:4]
    delimiters = Delimiters(element, component, segment, "", release, ".")
    released = str.maketrans({each: release + each for each in (component, element, segment, release)})
    composites = st.lists(texts(""), min_size=1, max_size=3).map(
        lambda parts: component.join(part.translate(released) for part in parts)
    )
    drafts = [[draw(TAGS), *each] for each in draw(st.lists(st.lists(composites, max_size=3), max_size=6))]
    head = ["UNB", f"UNOW{component}3", "ACME"]
    una = f"UNA{component}{element}.{release} {segment}"
    return _written(una, [head, *drafts, ["UNZ", "1"]], delimiters, draw)


@given(x12() | edifact(), st.integers(1, 50))
def test_segments_that_were_joined_come_back_wherever_the_chunks_are_cut(written: Written, size: int) -> None:
    found = stretches(written.data, size)
    assert [segment for stretch in found for segment in stretch.segments] == written.segments
    assert {stretch.delimiters for stretch in found} == {written.delimiters}
    assert not any(stretch.fault or stretch.unterminated for stretch in found)


@given(edifact(), st.data())
def test_segments_come_back_from_lines_that_are_broken_anywhere(
    written: Written, data: st.DataObject
) -> None:
    text = written.data.decode()
    begin = text.index("ACME")
    width = data.draw(st.integers(1, 30))
    lines = [text[at : at + width] for at in range(begin, len(text), width)]
    wrapped = text[:begin] + "\r\n".join(lines)
    assert segments(wrapped) == [segment.elements for segment in written.segments]


@given(st.lists(st.text("A:?*", max_size=5), min_size=1))
def test_components_that_were_released_and_joined_come_back(parts: list[str]) -> None:
    released = str.maketrans({each: f"?{each}" for each in ":?*"})
    delimiters = replace(EDIFACT, repetition="*")
    composite = ":".join(part.translate(released) for part in parts)
    assert delimiters.components(composite) == parts
    assert delimiters.repetitions(composite) == [composite]
    assert delimiters.repetitions("*".join([composite] * 3)) == [composite] * 3


TWO = (f"{isa()}ST*856*0001~\nIEA*1*000000031~\nUNA:+.? '{UNB}RFF+ON:O?'1'UNZ+0+77'").encode()


@given(st.integers(0, len(TWO) - 1), st.integers(0, 255), st.integers(1, 200))
def test_any_other_byte_anywhere_leaves_segments_in_order_and_where_they_are(
    at: int, byte: int, size: int
) -> None:
    data = TWO[:at] + bytes([byte]) + TWO[at + 1 :]
    found = [segment for stretch in stretches(data, size) for segment in stretch.segments]
    assert [segment.position for segment in found] == [*range(1, len(found) + 1)]
    assert sorted({segment.offset for segment in found}) == [segment.offset for segment in found]
    assert not any(data[segment.offset] in b" \t\r\n\x00\x1a" for segment in found)


@given(st.binary(max_size=300), st.integers(1, 100))
def test_any_bytes_at_all_are_read_to_their_end(data: bytes, size: int) -> None:
    assert all(stretch.fault or stretch.segments for stretch in stretches(data, size))
