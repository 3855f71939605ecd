"""A small PDF of an invoice, made without any library."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_pdf(lines: Sequence[str]) -> bytes:
    """Write lines of text on one A4 page.

    Args:
        lines: The lines; the first one is set larger. What Windows-1252 does not have becomes a question mark.

    Returns:
        The bytes of a valid PDF 1.4 file.
    """
    text = [b"BT /F1 18 Tf 56 780 Td (" + _escape(lines[0] if lines else "") + b") Tj /F1 10 Tf"]
    text += [b"0 -18 Td (" + _escape(line) + b") Tj" for line in lines[1:]]
    stream = b"\n".join([*text, b"ET"])
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
            b" /Resources << /Font << /F1 4 0 R >> >> >>"
        ),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        out += b"%010d 00000 n \n" % offset
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _escape(text: str) -> bytes:
    plain = text.encode("cp1252", "replace")
    return (
        plain.replace(b"\\", b"\\\\")
        .replace(b"(", b"\\(")
        .replace(b")", b"\\)")
        .replace(b"\n", b" ")
        .replace(b"\r", b" ")
    )
