"""Read PDFs and QR codes in tests."""

from __future__ import annotations

import pypdfium2
import typst
import zxingcpp


def words_on(pdf: bytes) -> list[str]:
    """Return the text of each page."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def codes_on(pdf: bytes) -> list[str]:
    """Return the content of the QR codes on the first page, rendered at 144 dpi."""
    with pypdfium2.PdfDocument(pdf) as document:
        picture = document[0].render(scale=2, grayscale=True).to_numpy()
        return [found.text for found in zxingcpp.read_barcodes(picture)]


def code_in(svg: str) -> str:
    """Return the content of a QR code in SVG, rendered 15 cm wide."""
    page = b'#set page(width: 15cm, height: 15cm, margin: 0pt)\n#image(bytes(sys.inputs.svg), format: "svg")'
    shown = typst.compile(page, sys_inputs={"svg": svg}, format="pdf")
    (found,) = codes_on(shown)
    return found
