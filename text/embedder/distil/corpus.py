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

# A sentence ends at . ! or ? followed by space and a capital, digit, quote or bracket. Splitting
# errors only change which spans are taught, so a simple rule is enough here.
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(\[])")
MIN_WORDS = 3


def sentences(text):
    return [s.strip() for s in SENTENCE_END.split(text) if len(s.split()) >= MIN_WORDS]


def read_jsonl(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def beir_corpus(folder):
    """Each document (title and text), and each of its sentences."""
    for row in read_jsonl(folder / "corpus.jsonl"):
        yield (row.get("title", "") + " " + row["text"]).strip()
        yield from sentences(row["text"])


def scifact(data):
    yield from beir_corpus(data / "scifact")
    for row in read_jsonl(data / "scifact" / "claims_train.jsonl"):
        yield row["claim"]


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


QUESTION_STARTS = (
    "What is", "What was", "Who is", "Who was", "When did", "When was", "Where is", "Where did",
    "Why did", "How did", "How many", "How much", "Which", "Which one of", "What kind of",
    "In what year did", "What did", "Is", "Are", "Does", "Did", "What nationality is", "Who wrote",
    "What type of")


def cut_span(text, low, high, rng):
    words = text.split()
    size = rng.randint(low, high)
    if len(words) <= size:
        return " ".join(words)
    start = rng.randrange(len(words) - size)
    return " ".join(words[start:start + size])


def spans(prose, encyclopedic, broad, rng):
    """Short pieces of the texts, as queries are short."""
    for texts, count, longest in ((prose, 14000, 14), (encyclopedic, 10000, 14), (broad, 5000, 10)):
        for _ in range(count):
            yield cut_span(rng.choice(texts), 3, longest, rng)


def questions(encyclopedic, others, rng):
    """A question word in front of such a piece: teaches what those words are worth."""
    for texts, count in ((encyclopedic, 12000), (others, 4000)):
        for _ in range(count):
            piece = cut_span(rng.choice(texts), 2, 10, rng).strip(" .,;:()")
            yield f"{rng.choice(QUESTION_STARTS)} {piece}?"


def synthetic(rows, seed):
    by_source = {}
    for row in rows:
        by_source.setdefault(row["source"], []).append(row["text"])
    encyclopedic = [t for s in ("hotpotqa-100", "xquad-en", "begin") for t in by_source[s]]
    prose = encyclopedic + by_source["scifact"] + by_source["pubmedqa"]
    broad = by_source["wordnet"] + by_source["gene-ontology"]
    rng = random.Random(seed)
    seen = {row["text"] for row in rows}
    for source, texts in (("spans", spans(prose, encyclopedic, broad, rng)),
                          ("questions", questions(encyclopedic, prose, rng))):
        for text in texts:
            if text not in seen and len(text.split()) > 1:
                seen.add(text)
                yield {"source": source, "text": text}


def sample(texts, limit, seed):
    texts = list(dict.fromkeys(texts))
    if len(texts) <= limit:
        return texts
    return random.Random(seed).sample(texts, limit)


def gather(data, debian, seed):
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
    for name, (texts, limit) in sources.items():
        for text in sample(texts, limit, seed):
            if text not in seen and len(text.split()) >= 1:
                seen.add(text)
                yield {"source": name, "text": text}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True, help="folder of the data sets")
    parser.add_argument("--debian", type=pathlib.Path, required=True,
                        help="root the Debian packages were unpacked to (dpkg -x)")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="texts, one JSON a line")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    counts = {}
    with open(args.out, "w", encoding="utf-8") as out:
        rows = list(gather(args.data, args.debian, args.seed))
        rows.extend(synthetic(rows, args.seed))
        for row in rows:
            counts[row["source"]] = counts.get(row["source"], 0) + 1
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
    for name, count in counts.items():
        print(f"{name:16} {count:8}")


if __name__ == "__main__":
    main()
