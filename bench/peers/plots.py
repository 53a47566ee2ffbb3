"""Recall and speed as SVG, written by hand: one line a system, its best configurations."""
import html
import math

from fronts import front

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 460, 70, 40, 150, 50
COLOURS = {"leadline": "#c00000", "faiss": "#1f77b4", "hnswlib": "#2ca02c", "usearch": "#9467bd",
           "svs": "#ff7f0e", "vsag": "#8c564b", "zvec": "#17becf", "lancedb": "#7f7f7f"}
RECALLS = [0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999]


def place(recall):
    """Misses on a log scale: .9 and .99 are as far apart as .99 and .999."""
    return -math.log10(max(1 - recall, 5e-4))


def write(path, title, runs, mode):
    lines = {}
    for run in runs:
        lines.setdefault(run["system"], []).extend(
            point for point in run["points"] if point["mode"] == mode and point["recall"] >= 0.75)
    lines = {system: front(points, lambda p: p["recall"], lambda p: p["qps"])
             for system, points in lines.items() if points}
    speeds = [point["qps"] for points in lines.values() for point in points]
    if not speeds:
        return
    low, high = math.floor(math.log10(min(speeds))), math.ceil(math.log10(max(speeds)))
    left, right = place(0.75), place(0.9995)

    def x(recall):
        return LEFT + (place(recall) - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def y(qps):
        return TOP + (high - math.log10(qps)) / (high - low) * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
           f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
           f'<text x="{LEFT}" y="20" font-size="14">{html.escape(title)}: queries a second by recall@10'
           '</text>']
    for recall in RECALLS:
        out.append(f'<path d="M{x(recall):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{x(recall):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
                   f'{recall:g}</text>')
    for power in range(low, high + 1):
        for step in (1, 2, 5) if power < high else (1,):
            at = y(step * 10 ** power)
            out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                       f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{step * 10 ** power:,}'
                       '</text>')
    for row, (system, points) in enumerate(sorted(lines.items())):
        colour = COLOURS.get(system, "black")
        path_of = "L".join(f"{x(p['recall']):.1f} {y(p['qps']):.1f}" for p in points)
        wide = 3 if system == "leadline" else 1.5
        out.append(f'<path d="M{path_of}" fill="none" stroke="{colour}" stroke-width="{wide}"/>')
        out += [f'<circle cx="{x(p["recall"]):.1f}" cy="{y(p["qps"]):.1f}" r="2.5" fill="{colour}"/>'
                for p in points]
        out.append(f'<text x="{WIDTH - RIGHT + 12}" y="{TOP + 16 * row + 10}" fill="{colour}">{system}'
                   '</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n</svg>\n")
