#!/usr/bin/env python3
"""Writes claims.jsonl: the test claims as `leadline eval ground` reads them.

One line per claim and cited abstract: the claim is the response, title and abstract are the
context, and the label says whether that abstract supports the claim (1) or not (0: it contradicts
the claim, or says nothing about it).
"""
import json
import pathlib

here = pathlib.Path(__file__).parent


def lines(name):
    with open(here / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


documents = {d["_id"]: d["title"] + "\n" + d["text"] for d in lines("corpus.jsonl")}
with open(here / "claims.jsonl", "w", encoding="utf-8") as out:
    for claim in lines("claims_test.jsonl"):
        for document in dict.fromkeys(claim["cited_doc_ids"]):  # one is named twice
            labels = {e["label"] for e in claim["evidence"] if e["doc"] == document}
            record = {
                "id": claim["claim_id"] + "-" + document,
                "response": claim["claim"],
                "contexts": [documents[document]],
                "label": int("SUPPORT" in labels),
            }
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
