"""results.json as Markdown tables and plots."""
import importlib
import importlib.metadata
import os
import re

import plots
import promises
from machine import described
from tables import table

HERE = os.path.dirname(os.path.abspath(__file__))


def versions():
    with open(os.path.join(HERE, "requirements.txt"), encoding="utf-8") as file:
        packages = re.findall(r"^([a-z0-9-]+)==", file.read(), re.MULTILINE)
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def missing(path):
    """Peers that could not be installed, with the reason: a line each, as run.sh writes them."""
    if not path:
        return {}
    with open(path, encoding="utf-8") as file:
        return dict(line.rstrip("\n").split("\t") for line in file)


def write(results, page, images):
    """`page`: the Markdown file; `images`: the folder of its plots."""
    lines = [f"# Leadline beside its peers\n\nOne run on {results['date']}: {described(results['machine'])}; "
             f"pinned to core {results['core']}.\n\n"
             + ", ".join(f"{name} {version}" for name, version in results["versions"].items()) + "."]
    if results.get("note"):
        lines.append(results["note"])
    if results["quick"]:
        lines.append("**A quick run on parts of the sets: it shows that everything works, and its numbers "
                     "mean nothing.**")
    lines += [f"Not installed: {name} ({why})." for name, why in results["missing"].items()]
    lines.append(table(("set", "what", "measured", "must", "aim", ""),
                       [(*cells, "kept" if kept else "**missed**") for *cells, kept in promises.kept(results)]))
    for name, found in results["sets"].items():
        about = found["about"]
        lines.append(f"## {name}: {about['rows']:,} x {about['dim']}, {about['metric']}\n\n{about['about']}; "
                     f"{about['queries']:,} queries.")
        for section, measured in found["sections"].items():
            module = importlib.import_module("sections." + section)
            lines.append(module.markdown(measured))
            if section == "search":
                for mode in ("one", "batch"):
                    image = os.path.join(images, f"{name}-{mode}.svg")
                    plots.write(image, f"{name}, {mode}", measured["runs"], mode)
                    shown = os.path.relpath(image, os.path.dirname(page))
                    lines.append(f"![recall and speed, {mode}]({shown})")
    with open(page, "w", encoding="utf-8") as file:
        file.write("\n\n".join(lines) + "\n")
