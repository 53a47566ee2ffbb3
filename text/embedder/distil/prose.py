"""Running English of many subjects from Debian packages and Python packages, for corpus.py.

README.md in this folder lists every source with its licence.
"""

import ast
import gzip
import html
import json
import re
import zlib

BLOCK = r"(?:p|h\d|ul|ol|dl|pre|table|div|blockquote)"
HTML_PARAGRAPH = re.compile(rf"<(?:p\b|div class=\"para\")[^>]*>(.*?)(?=</?{BLOCK}\b)", re.S | re.I)
XML_PARAGRAPH = re.compile(r"<(p|para)\b[^>]*>(.*?)</\1>", re.S)
MIN_WORDS, MAX_WORDS = 10, 180
# Formulas, code and file names are not prose: few of the characters of a paragraph may be symbols.
SYMBOLS = re.compile(r"[\\{}\[\]_=<>|^$#@*/+~`]")
MAX_SYMBOLS = 0.03


def is_prose(text):
    words = text.split()
    return (MIN_WORDS <= len(words) <= MAX_WORDS and text.isascii()
            and len(SYMBOLS.findall(text)) <= MAX_SYMBOLS * len(text))


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def strip_tags(text):
    return squeeze(html.unescape(re.sub(r"<[^>]+>", "", text)).replace("\u2019", "'"))


def strip_formulas(text):
    return squeeze(re.sub(r"\\\[.*?\\\]|\\\(.*?\\\)|\$[^$]*\$", " ", text, flags=re.S))


def html_prose(paths):
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        for match in HTML_PARAGRAPH.finditer(text):
            plain = strip_formulas(strip_tags(match[1]))
            if is_prose(plain):
                yield plain


def xml_prose(paths):
    for path in paths:
        text = path.read_text(encoding="utf-8", errors="replace")
        text = re.sub(r"&[A-Za-z]+;", "", text)
        for match in XML_PARAGRAPH.finditer(text):
            plain = strip_tags(match[2])
            if is_prose(plain):
                yield plain


def foldoc(path):
    """Each entry as `headword. text`, without dates, references and web addresses."""
    data = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(path.read_bytes())
    text = data.decode("utf-8", errors="replace")
    for entry in re.split(r"\n(?=\S)", text):
        head, _, body = entry.partition("\n")
        body = re.sub(r"\{\(?https?:[^}]*\}|\[[^\]]*\]|\(\d{4}-\d\d-\d\d\)|<[^>]*>|[{}]", "", body)
        body = re.sub(r"^\s*\d+\.\s", "", body, flags=re.M)
        words = squeeze(f"{head}. {body}").split()[:MAX_WORDS]
        plain = " ".join(words)
        if is_prose(plain):
            yield plain


def game_strings(folder):
    """Every long string of the JSON files of Cataclysm: Dark Days Ahead: descriptions, notes, talk."""
    def walk(value):
        if isinstance(value, str):
            plain = squeeze(re.sub(r"<[^>]+>", "", value))
            if is_prose(plain):
                yield plain
        elif isinstance(value, list):
            for item in value:
                yield from walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if not key.startswith("//"):
                    yield from walk(item)

    for path in sorted(folder.rglob("*.json")):
        if "names" in path.parts or "mods" in path.parts:
            continue
        try:
            yield from walk(json.loads(path.read_text(encoding="utf-8")))
        except json.JSONDecodeError:
            continue


def jargon(path):
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as file:
        for paragraph in re.split(r"\n\s*\n", file.read()):
            plain = squeeze(paragraph)
            if is_prose(plain):
                yield plain


def docstring_prose(folder):
    """Paragraphs of the docstrings, and the titles of the works they cite."""
    for path in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                continue
            for paragraph in re.split(r"\n\s*\n|\n[-=~]{3,}\n", ast.get_docstring(node) or ""):
                for reference in re.split(r"\n?\.\. \[\d+\]\s*", paragraph):
                    plain = squeeze(re.sub(r":\w+:`[^`]*`|``?|\[\d+\]_|doi:\S+|:math:", "", reference))
                    if not plain.startswith((">>>", ".. ")) and is_prose(plain):
                        yield plain


def sources(debian, python):
    """name -> (texts, limit)"""
    doc, games = debian / "usr/share/doc", debian / "usr/share/games"
    pages = lambda folder, pattern="*.html": sorted((doc / folder).rglob(pattern))
    guides = lambda folder: [p for p in pages(folder)
                             if not {"_modules", "generated", "gitwash", "dev", "release"} & set(p.parts)
                             and not p.stem.startswith("release")]
    return {
        "cataclysm-dda": (game_strings(games / "cataclysm-dda/json"), 3000),
        "foldoc": (foldoc(debian / "usr/share/dictd/foldoc.dict.dz"), 1200),
        "jargon": (jargon(doc / "jargon-text/jargon.txt.gz"), 400),
        "kstars-handbook": (xml_prose(pages("HTML/en/kstars", "*.docbook")), 800),
        "gnome-help": (xml_prose(sorted((debian / "usr/share/help/C").rglob("*.page"))), 400),
        "debian-handbook": (html_prose(pages("debian-handbook/html/en-US")), 800),
        "lilypond-essay": (html_prose([p for kind in ("essay", "learning", "music-glossary")
                                       for p in pages(f"lilypond/html/Documentation/{kind}")
                                       if "." not in p.stem]), 500),
        "deal.ii-tutorials": (html_prose(pages("libdeal.ii-doc/html/doxygen/deal.II", "step_*.html")),
                              2500),
        "sklearn-doc": (html_prose(guides("python-sklearn-doc/html")), 1000),
        "scipy-doc": (html_prose(guides("python-scipy-doc/html")), 600),
        "statsmodels-doc": (html_prose(guides("python-statsmodels-doc/html")), 500),
        "engineering-docstrings": ((text for name in ("fluids", "ht", "chemicals", "thermo",
                                                      "aerosandbox", "openaerostruct", "cantera")
                                    for text in docstring_prose(python / name)), 5000),
    }
