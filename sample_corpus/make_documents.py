"""Build the two binary documents of the sample corpus.

    python sample_corpus/make_documents.py

writes manuals/belt-sander-safety.pdf (fpdf2) and manuals/volunteer-handbook.docx
(python-docx) next to this file. Dates, document ids and zip entries are fixed, so the
same library versions give the same bytes on every run.
"""

import datetime as dt
import io
import zipfile
from pathlib import Path

from docx import Document
from fpdf import FPDF
from fpdf.enums import XPos, YPos

OUT = Path(__file__).resolve().parent / "manuals"
STAMP = dt.datetime(2024, 9, 1, 12, 0, 0, tzinfo=dt.UTC)
AUTHOR = "Harbour Street Tool Library"

# One entry per page: heading, then paragraphs. A paragraph starting with "- " is a list item.
SANDER_PAGES = [
    (
        "Belt sander: safety manual",
        [
            "This manual belongs to belt sander number 105 on shelf C4. Read it at the "
            "desk before your first loan. It takes five minutes, and the volunteer will "
            "answer your questions. The manual travels in the lid of the case.",
            "What the sander is for",
            "The belt sander removes a lot of wood in a short time. Use it for floorboards, "
            "doors, table tops and old paint on flat surfaces. It is not made for plaster, "
            "metal, curved chair legs or anything that you can only hold in your hand. For "
            "fine work before varnishing, take the orbital sander instead.",
            "What you must wear",
            "- A dust mask of class FFP2 or better. There are two in the case.",
            "- Safety glasses that close at the sides.",
            "- Ear defenders. The machine reaches 96 decibels at full speed.",
            "- Tight sleeves, tied hair, no scarf and no gloves with loose fingers.",
            "Old paint",
            "Paint from before 1980 may contain lead. Ask for a test stick at the desk. If "
            "the stick turns red, do not sand at all: the dust would poison you and the "
            "children next door. We will show you how to strip such paint with the infrared "
            "heater, which we also lend.",
        ],
    ),
    (
        "Before you start, and while you work",
        [
            "Changing the belt",
            "Pull the plug out of the socket. Swing the lever on the side outwards, slide the "
            "old belt off and push the new one on. The arrow inside the belt must point the "
            "same way as the arrow on the housing. Swing the lever back, plug in and let the "
            "belt run for ten seconds with the sander lifted. If it wanders to one side, turn "
            "the small knob at the front until it stays in the middle.",
            "Preparing the surface",
            "Look for nails and screws and sink them at least three millimetres deep. One nail "
            "tears the belt and throws sparks into the dust bag. Clamp loose boards to the "
            "bench so that they cannot shoot backwards.",
            "Sanding",
            "Hold the machine with both hands. Start it in the air, set it down flat and keep "
            "it moving along the grain. Its own weight is enough; pressing harder only makes "
            "grooves. Lift it before you switch it off. Lead the cable over your shoulder so "
            "that it can never get under the belt.",
            "Begin with grit 60, continue with grit 100 and finish with grit 150. Do not skip "
            "a step, for the scratches of the coarse belt will show through the varnish.",
            "Take a break every twenty minutes. Hands that tingle have had enough.",
        ],
    ),
    (
        "Dust, fire and return",
        [
            "The dust bag",
            "Empty the dust bag when it is half full and always when you stop work. Packed "
            "sanding dust warms up by itself, above all when there is varnish in it, and it "
            "can begin to glow hours later. Tip the dust into a metal container with a lid, "
            "outside the house. Never put it in a paper sack or in the kitchen bin.",
            "If there is a smell of burning",
            "Unplug the sander, carry it outdoors and pull off the bag, using thick gloves. "
            "Soak the dust with plenty of water. If you see flames, leave the room, close the "
            "door and ring 112. A machine can be replaced.",
            "Faults",
            "- The motor hums but the belt stands still: a splinter blocks the front roller.",
            "- The speed rises and falls: the carbon brushes are worn. Bring the sander back.",
            "- Smoke comes out of the housing: unplug it at once and do not try it again.",
            "Bringing it back",
            "Brush the housing, wind the cable loosely and return the sander with an empty bag. "
            "The bag is opened at the counter while you watch. Belts that still have grit on "
            "them can stay in the case; torn ones go in the bin. You pay for belts by the "
            "piece, 1.50 euros each.",
        ],
    ),
]
SANDER_SUBHEADS = {
    "What the sander is for", "What you must wear", "Old paint", "Changing the belt",
    "Preparing the surface", "Sanding", "The dust bag", "If there is a smell of burning",
    "Faults", "Bringing it back",
}  # fmt: skip


def sander_pdf() -> bytes:
    pdf = FPDF(format="A4")
    pdf.set_creation_date(STAMP)
    pdf.set_title("Belt sander: safety manual")
    pdf.set_author(AUTHOR)
    pdf.set_producer("sample_corpus")
    pdf.set_compression(False)  # plain streams: the bytes do not depend on the zlib build
    pdf.set_auto_page_break(False)
    pdf.set_margins(25, 25, 25)

    def block(text: str, style: str, size: float, line: float, after: float) -> None:
        pdf.set_font("Helvetica", style, size)
        pdf.multi_cell(0, line, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        pdf.ln(after)

    for number, (heading, paragraphs) in enumerate(SANDER_PAGES, 1):
        pdf.add_page()
        block(heading, "B", 17, 9, 4)
        for text in paragraphs:
            if text in SANDER_SUBHEADS:
                block(text, "B", 12, 6, 1)
            else:
                block(text, "", 11, 5.6, 1 if text.startswith("- ") else 3)
        pdf.set_y(-20)
        block(f"Page {number} of {len(SANDER_PAGES)}", "", 9, 5, 0)
    return bytes(pdf.output())


def handbook_docx() -> bytes:
    doc = Document()
    props = doc.core_properties
    props.title, props.author, props.last_modified_by = "Volunteer handbook", AUTHOR, AUTHOR
    props.comments, props.revision = "", 1
    props.created = props.modified = STAMP.replace(tzinfo=None)

    doc.add_heading("Volunteer handbook", 0)
    doc.add_paragraph(
        "Welcome to the team. This handbook tells you what we hope for, what you may expect "
        "from us and whom to ask. Nobody remembers everything after the first evening, so "
        "keep it in your bag."
    )

    doc.add_heading("Your first month", 1)
    doc.add_paragraph(
        "You start with four shifts beside somebody experienced, two at the desk, one in the "
        "tool room and one on a repair evening. After that, sit down with Wanjiru over a cup "
        "of tea and decide what suits you. People who thought they hated talking to strangers "
        "have become our best desk volunteers, and the other way round."
    )

    doc.add_heading("What we ask of you", 1)
    for item in (
        "Be there ten minutes before the shift, or ring if you cannot come.",
        "Lend to everyone in the same friendly way, whatever they intend to build.",
        "Say so when you do not know something. Guessing with a saw is a bad idea.",
        "Keep what you hear about members to yourself.",
        "Never work on mains electricity unless you have done the electrical induction.",
    ):
        doc.add_paragraph(item, style="List Bullet")

    doc.add_heading("What you can expect", 1)
    doc.add_paragraph(
        "You are insured during your shift and on the way to it. You borrow without a fee, "
        "though not without a deposit. We pay for bus tickets and for one training course a "
        "year. There is soup. If something bothers you, speak to any member of the committee; "
        "if it is the committee that bothers you, Father Anselm from the parish next door has "
        "agreed to listen."
    )

    doc.add_heading("Jobs and contacts", 1)
    table = doc.add_table(rows=1, cols=3)
    table.style = "Table Grid"
    rows = [
        ("Job", "Person", "Ask about"),
        ("Rota", "Wanjiru", "swapping shifts, holidays"),
        ("Workshop", "Dieter", "broken tools, sharpening, spare parts"),
        ("Booking app", "Pavel", "error pages, labels, new accounts"),
        ("Kitchen", "Oke", "shopping, allergies, the big pot"),
        ("Money", "Greta", "receipts, deposits in cash"),
    ]
    for index, row in enumerate(rows):
        cells = table.rows[0].cells if index == 0 else table.add_row().cells
        for cell, text in zip(cells, row, strict=True):
            cell.text = text

    doc.add_heading("When things go wrong", 1)
    doc.add_paragraph(
        "If somebody is hurt, help first and write later. The first-aid box hangs by the sink "
        "and the defibrillator is in the entrance of the bank across the street. For fire, "
        "get everybody into the yard, count heads and ring 112. For an angry member, fetch a "
        "second volunteer, speak slowly and remember that you may always say: I cannot decide "
        "this, but I will pass it on today."
    )
    doc.add_paragraph(
        "Write down every accident on the blue form, even a small cut. We do not look for "
        "somebody to blame. We want to find out what to change so that it does not happen "
        "twice."
    )

    doc.add_heading("Leaving us", 1)
    doc.add_paragraph(
        "People move away, have babies or simply need their evenings back. Tell us a few weeks "
        "ahead if you can, return your key and eat one last bowl of soup with us."
    )

    # The template of python-docx has a great many styles; keep those that are in use.
    keep = {"Normal", "Title", "Title Char", "Heading 1", "Heading 1 Char", "List Bullet",
            "Table Grid", "Normal Table", "Default Paragraph Font", "No List"}  # fmt: skip
    for style in list(doc.styles):
        if style.name not in keep:
            style.delete()
    for rels in (doc.part.rels, doc.part.package.rels):  # parts that describe the template
        for rel_id, rel in list(rels.items()):
            if rel.reltype.endswith(("/stylesWithEffects", "/thumbnail")):
                del rels[rel_id]

    raw = io.BytesIO()
    doc.save(raw)
    return repack(raw.getvalue())


def repack(data: bytes) -> bytes:
    """Return the same zip with sorted, uncompressed entries and one fixed timestamp."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        # [Content_Types].xml goes first, as office programs expect.
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            info = zipfile.ZipInfo(name, date_time=(2024, 9, 1, 12, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            new.writestr(info, old.read(name))
    return out.getvalue()


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for name, build in (
        ("belt-sander-safety.pdf", sander_pdf),
        ("volunteer-handbook.docx", handbook_docx),
    ):
        data = build()
        (OUT / name).write_bytes(data)
        print(f"{name}: {len(data)} bytes")


if __name__ == "__main__":
    main()
