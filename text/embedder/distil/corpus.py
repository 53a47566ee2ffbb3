"""Gathers the distillation text: one list of unique English texts with the source of each.

Only text that may be copied is read; README.md in this folder lists every source with its licence.
Judgments (qrels), answers' labels and the text of test queries are never read.
"""

import argparse
import html
import json
import pathlib
import random
import re
import sqlite3

import numpy as np

import prose

# A sentence ends at . ! or ? followed by space and a capital, digit, quote or bracket. Splitting
# errors only change which spans are taught, so a simple rule is enough here.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\[])")
MIN_WORDS = 3
DICTIONARIES_AND_MANUALS = {"wordnet", "gene-ontology", "python-doc", "postgresql-doc", "rust-doc"}


def sentences(text):
    return [s.strip() for s in SENTENCE_END.split(text) if len(s.split()) >= MIN_WORDS]


def read_jsonl(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def whole_document(row):
    return (row.get("title", "") + " " + row["text"]).strip()


def beir_corpus(folder):
    """Each document (title and text), and each of its sentences."""
    for row in read_jsonl(folder / "corpus.jsonl"):
        yield whole_document(row)
        yield from sentences(row["text"])


def scifact_claims(data):
    for row in read_jsonl(data / "scifact" / "claims_train.jsonl"):
        yield row["claim"]


def scifact(data):
    yield from beir_corpus(data / "scifact")
    yield from scifact_claims(data)


def begin(data):
    for part in ("cmu", "tc", "wow"):
        for row in read_jsonl(data / "begin" / f"begin_dev_{part}.jsonl"):
            yield row["knowledge"]
            yield row["message"]
            yield row["response"]
            yield from sentences(row["knowledge"])


def pubmedqa(data):
    for row in read_jsonl(data / "pubmedqa" / "pqal_dev.jsonl"):
        yield row["question"]
        yield row["long_answer"]
        for context in row["contexts"]:
            yield context
            yield from sentences(context)


def wordnet(root):
    """Each synset as `lemmas: definition`, and each usage example."""
    for part in ("noun", "verb", "adj", "adv"):
        path = root / "usr/share/wordnet" / f"data.{part}"
        for line in path.read_text(encoding="latin-1").splitlines():
            if line.startswith("  "):  # licence header
                continue
            fields, _, gloss = line.partition(" | ")
            fields = fields.split()
            count = int(fields[3], 16)
            lemmas = [fields[4 + 2 * i].split("(")[0].replace("_", " ") for i in range(count)]
            definition, *examples = re.split(r';\s*"', gloss.strip())
            yield f"{', '.join(lemmas[:3])}: {definition}"
            for example in examples:
                yield example.split('"')[0]


def gene_ontology(root):
    """Each term as `name. definition`, and each name alone."""
    path = root / "usr/lib/R/site-library/GO.db/extdata/GO.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True) as db:
        for term, definition in db.execute("SELECT term, definition FROM go_term ORDER BY go_id"):
            yield f"{term}. {definition}"
            yield term


def html_paragraphs(*folders):
    for folder in folders:
        for path in sorted(folder.rglob("*.html")):
            text = path.read_text(encoding="utf-8", errors="replace")
            for paragraph in re.findall(r"<p\b[^>]*>(.*?)(?=</?(?:p|h\d|ul|ol|dl|pre|table|div|blockquote)\b)", text, re.S | re.I):
                plain = html.unescape(re.sub(r"<[^>]+>", "", paragraph))
                plain = re.sub(r"\s+", " ", plain).strip()
                if 8 <= len(plain.split()) <= 150:
                    yield plain


def sample(texts, limit, seed):
    texts = list(dict.fromkeys(texts))
    if len(texts) <= limit:
        return texts
    return random.Random(seed).sample(texts, limit)


def gather(data, debian, python, broad, scifact_sentences, seed):
    doc = debian / "usr/share/doc"
    sources = {
        "scifact": (scifact(data), 10**9),
        "hotpotqa-100": (beir_corpus(data / "hotpotqa-100"), 10**9),
        "xquad-en": (beir_corpus(data / "xquad" / "en"), 10**9),
        "begin": (begin(data), 10**9),
        "pubmedqa": (pubmedqa(data), 10**9),
        "wordnet": (wordnet(debian), 10**9),
        "gene-ontology": (gene_ontology(debian), 10**9),
        "python-doc": (html_paragraphs(doc / "python3.11/html"), 12000),
        "postgresql-doc": (html_paragraphs(doc / "postgresql-doc-15/html"), 8000),
        "rust-doc": (html_paragraphs(doc / "rust-doc/html/book"), 4000),
    }
    seen = set()
    rows = list(unique(sources, seen, seed))
    more = unique(prose.sources(debian, python), seen, seed)
    rows = thin(rows, DICTIONARIES_AND_MANUALS, broad) + list(more)
    whole = {whole_document(row) for row in read_jsonl(data / "scifact" / "corpus.jsonl")}
    return thin_sentences(rows, whole | set(scifact_claims(data)), scifact_sentences)


def unique(sources, seen, seed):
    for name, (texts, limit) in sources.items():
        for text in sample(texts, limit, seed):
            if text not in seen and len(text.split()) >= 1:
                seen.add(text)
                yield {"source": name, "text": text}


def thin(rows, names, count):
    """Keeps a sample of the texts of these sources: in larger numbers, dictionary and manual style
    draws the table away from prose (see README.md). The sample lies within the one of 20,000 that the
    first revision of the table was trained on."""
    named = np.array([row["source"] in names for row in rows])
    sample = list(np.random.default_rng(0).permutation(np.flatnonzero(named))[:20000])
    random.Random(5).shuffle(sample)
    return [rows[i] for i in sorted([*np.flatnonzero(~named), *sample[:count]])]


def thin_sentences(rows, whole, count):
    """Keeps all SciFact documents and claims (`whole`) and a sample of the sentences."""
    sample = [i for i, row in enumerate(rows)
              if row["source"] == "scifact" and row["text"] not in whole]
    random.Random(5).shuffle(sample)
    dropped = set(sample[count:])
    return [row for i, row in enumerate(rows) if i not in dropped]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the data sets")
    parser.add_argument("--debian", type=pathlib.Path, required=True,
                        help="root the Debian packages were unpacked to (dpkg -x)")
    parser.add_argument("--python", type=pathlib.Path, required=True,
                        help="folder the Python packages were installed to (pip --target)")
    parser.add_argument("--broad", type=int, default=4500, help="texts of dictionaries and manuals")
    parser.add_argument("--scifact-sentences", type=int, default=21000)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="texts, one JSON a line")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    counts = {}
    with open(args.out, "w", encoding="utf-8") as out:
        for row in gather(args.data, args.debian, args.python, args.broad, args.scifact_sentences,
                          args.seed):
            counts[row["source"]] = counts.get(row["source"], 0) + 1
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    for name, count in counts.items():
        print(f"{name:22} {count:8}")


if __name__ == "__main__":
    main()
