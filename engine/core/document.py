"""Small documents for paper and screens: the same blocks as Markdown, HTML and plain text.

Every text in a block is plain: what it holds is escaped by the renderer, never read as markup.
"""

from __future__ import annotations

import html as escaping
import re
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2
    page: bool = False  # begins a page on paper


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    lines: Sequence[str]
    tick: bool = False  # boxes to tick on paper


@dataclass(frozen=True, slots=True)
class Grid:
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Code:
    text: str


Block = Heading | Paragraph | Items | Grid | Code
_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~])")
_STYLE = """
body { font: 11pt/1.45 Georgia, serif; color: #111; max-width: 46em; margin: 2em auto;
       padding: 0 1em }
h1, h2, h3, th { font-family: Helvetica, Arial, sans-serif; line-height: 1.2 }
h1 { font-size: 1.9em } h3 { margin-bottom: .3em }
h2 { border-bottom: 1px solid #999; margin-top: 2em }
table { border-collapse: collapse; width: 100%; margin: .8em 0; font-size: .92em }
th, td { border: 1px solid #bbb; padding: .25em .5em; text-align: left; vertical-align: top }
pre { background: #f3f3f3; border: 1px solid #ccc; padding: .6em; white-space: pre-wrap;
      overflow-wrap: anywhere; font-size: .85em }
ul.tick { list-style: none; padding-left: .2em }
ul.tick li::before { content: "\\2610\\00a0\\00a0" }
@page { margin: 18mm }
@media print { body { margin: 0; max-width: none } h2.page { break-before: page }
               h2, h3 { break-after: avoid } pre, tr, li { break-inside: avoid } }
"""


def inert(text: str) -> str:
    """The text without characters that act on a terminal or a page; line ends stay."""
    return "".join(
        char
        if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co")
        else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in text
    )


# ------------------------------------------------------------ Markdown


def markdown(title: str, blocks: Sequence[Block]) -> str:
    parts = [f"# {_mark(title)}", *(_markdown(block) for block in blocks)]
    return "\n\n".join(parts) + "\n"


def _mark(text: str) -> str:
    return _MARKS.sub(r"\\\1", inert(text))


def _cell(text: str) -> str:
    return _mark(text).replace("\n", " ")


def _markdown(block: Block) -> str:
    match block:
        case Heading(text=text, level=level):
            return f"{'#' * level} {_cell(text)}"
        case Paragraph(text=text, strong=strong):
            return f"**{_mark(text)}**" if strong else _mark(text)
        case Items(lines=lines, tick=tick):
            return "\n".join(f"- {'[ ] ' if tick else ''}{_cell(line)}" for line in lines)
        case Grid(head=head, rows=rows):
            made = [head, ["---"] * len(head)]
            table = ["| " + " | ".join(map(_cell, made[0])) + " |", "|" + "---|" * len(head)]
            return "\n".join(table + ["| " + " | ".join(map(_cell, row)) + " |" for row in rows])
        case Code(text=text):
            fence = "```"
            while fence in text:
                fence += "`"
            return f"{fence}sh\n{inert(text)}\n{fence}"


# ------------------------------------------------------------ HTML


def html(title: str, blocks: Sequence[Block]) -> str:
    """A whole page without scripts and without anything to load."""
    body = "\n".join(_html(block) for block in blocks)
    name = escaping.escape(inert(title))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{name}</h1>\n{body}\n</body></html>\n"
    )


def _safe(text: str) -> str:
    return escaping.escape(inert(text)).replace("\n", "<br>")


def _html(block: Block) -> str:
    match block:
        case Heading(text=text, level=level, page=page):
            return f"<h{level}{' class=page' if page else ''}>{_safe(text)}</h{level}>"
        case Paragraph(text=text, strong=strong):
            said = _safe(text.replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n"))
            return f"<p><strong>{said}</strong></p>" if strong else f"<p>{said}</p>"
        case Items(lines=lines, tick=tick):
            items = "".join(f"<li>{_safe(line)}</li>" for line in lines)
            return f"<ul{' class=tick' if tick else ''}>{items}</ul>"
        case Grid(head=head, rows=rows):
            top = "".join(f"<th>{_safe(cell)}</th>" for cell in head)
            body = "".join(
                "<tr>" + "".join(f"<td>{_safe(cell)}</td>" for cell in row) + "</tr>"
                for row in rows
            )
            return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
        case Code(text=text):
            return f"<pre>{escaping.escape(inert(text))}</pre>"


# ------------------------------------------------------------ plain text


def plain(title: str, blocks: Sequence[Block], width: int = 78) -> str:
    """For a terminal, a serial console or paper by lpr: ASCII rules, wrapped at `width`."""
    top = inert(title)
    parts = [f"{top}\n{'=' * min(width, len(top))}"]
    parts += [_plain(block, width) for block in blocks]
    return "\n\n".join(parts) + "\n"


def _plain(block: Block, width: int) -> str:
    match block:
        case Heading(text=text, level=level):
            said = inert(text)
            return f"{said}\n{('-' if level < 3 else '.') * min(width, len(said))}"
        case Paragraph(text=text):
            parts = inert(text).split("\n\n")
            return "\n\n".join(textwrap.fill(part.replace("\n", " "), width) for part in parts)
        case Items(lines=lines, tick=tick):
            sign = "[ ] " if tick else "- "
            return "\n".join(_hang(inert(line), sign, width) for line in lines)
        case Grid(head=head, rows=rows):
            return _grid(
                [[inert(cell).replace("\n", " ") for cell in row] for row in (head, *rows)]
            )
        case Code(text=text):
            return textwrap.indent(inert(text), "    ")


def _hang(text: str, sign: str, width: int) -> str:
    return textwrap.fill(
        text.replace("\n", " "), width, initial_indent=sign, subsequent_indent=" " * len(sign)
    )


def _grid(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    made = [
        "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(made)
