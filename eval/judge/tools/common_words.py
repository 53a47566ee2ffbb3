#!/usr/bin/env python3
"""Prints the table of src/common_words.cc.

English: function words by the median of their sentence frequencies in the BEIR corpora named with
--english, so that a word common in one subject only is not taken for a common word. Other languages:
the most frequent words of --language CODE=FILE corpora. Weight of a word with sentence frequency f:
log(1/f) / log(1/RARE), in tenths; words not in the table weigh 1.

    common_words.py --english A/corpus.jsonl --english B/corpus.jsonl --language de=C/corpus.jsonl
"""
import argparse
import collections
import json
import math
import re
import textwrap
import unicodedata

RARE = 4e-4          # sentence frequency from which on a word weighs 1
LANGUAGE_WORDS = 40
MIN_ENGLISH_CONTENT = 1e-4  # a foreign word that is also an English word this common stays out
FUNCTION_WORDS = set("""a about above after again against all also am an and any are as at be because
been before being below between both but by can could did do does doing down during each either else
few for from further had has have having he her here hers herself him himself his how however i if
in into is it its itself just may me might more most must my myself neither no nor not now of off on
once only or other our ours ourselves out over own per same shall she should since so some such than
that the their theirs them themselves then there these they this those though through to too under
until up upon us very via was we were what when where whether which while who whom whose why will
with within without would you your yours yourself yourselves""".split())


def fold(word):
    decomposed = unicodedata.normalize("NFD", word)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not "\u0300" <= c <= "\u036f"))


def frequencies(path):
    counts, sentences = collections.Counter(), 0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            for sentence in re.split(r"(?<=[.!?])\s+", json.loads(line)["text"]):
                sentences += 1
                counts.update({fold(w) for w in re.findall(r"[^\W\d_]+", sentence.lower())})
    return {word: count / sentences for word, count in counts.items()}


def weight_in_tenths(frequency):
    return max(1, round(10 * math.log(1 / frequency) / math.log(1 / RARE)))


def print_groups(title, groups):
    print(f"// {title}")
    for tenths in sorted(groups):
        text = " ".join(sorted(groups[tenths]))
        lines = textwrap.wrap(text, 84)
        body = "\n".join(f'     "{line}{" " if i + 1 < len(lines) else ""}"' for i, line in enumerate(lines))
        print(f"    {{{tenths},\n{body}}},")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--english", action="append", required=True)
    parser.add_argument("--language", action="append", default=[])
    args = parser.parse_args()
    tables = [frequencies(path) for path in args.english]
    english = {}
    for word in set().union(*tables):
        values = sorted(table.get(word, 0) for table in tables)
        english[word] = values[(len(values) - 1) // 2]
    chosen = set(FUNCTION_WORDS)
    groups = collections.defaultdict(set)
    for word in FUNCTION_WORDS:
        groups[min(6, weight_in_tenths(max(english.get(word, 0), 1e-6)))].add(word)
    print_groups("English", groups)
    for spec in args.language:
        code, path = spec.split("=", 1)
        table = frequencies(path)
        found = collections.defaultdict(set)
        n = 0
        for word in sorted(table, key=lambda w: (-table[w], w)):
            if n == LANGUAGE_WORDS:
                break
            if word in chosen or (word not in FUNCTION_WORDS and english.get(word, 0) > MIN_ENGLISH_CONTENT):
                continue
            n += 1
            chosen.add(word)
            found[weight_in_tenths(table[word])].add(word)
        print_groups(code, found)


if __name__ == "__main__":
    main()
