"""The best of many settings: Pareto fronts of recall and speed, and the speed at a given recall."""
import math


def front(points, recall, qps):
    """Points that no other beats in both, by rising recall. `recall` and `qps` read a point."""
    best = []
    for point in sorted(points, key=lambda p: (recall(p), qps(p)), reverse=True):
        if not best or qps(point) > qps(best[-1]):
            best.append(point)
    return best[::-1]


def qps_at(points, target, recall, qps):
    """Speed of a front at a recall, on a log scale between the two points around it.

    {"qps", "point"}: `point` is the one that reaches the recall. With "at_least" the lowest recall
    tried is already above the target, so the true speed may be higher. None where it is not reached.
    """
    reached = [i for i, point in enumerate(points) if recall(point) >= target]
    if not reached:
        return None
    high = points[reached[0]]
    if reached[0] == 0:
        return {"qps": qps(high), "point": high, "at_least": recall(high) > target}
    low = points[reached[0] - 1]
    share = (target - recall(low)) / (recall(high) - recall(low))
    return {"qps": math.exp(math.log(qps(low)) + share * math.log(qps(high) / qps(low))),
            "point": high, "at_least": False}


def best_at(runs, mode, target):
    """For each system {"qps", "name", "params", "p5", "at_least"} at a recall, or None.

    Points are chosen on the first half of the queries: those on the system's front there. The second
    half says what they are worth. A system without batches stands with its single queries.
    """
    found = {}
    for system in sorted({run["system"] for run in runs}):
        points = [(run, point) for run in runs if run["system"] == system for point in run["points"]
                  if point["mode"] == mode or mode == "batch"]
        halves = [(lambda p, h=h: p[1]["recall_halves"][h], lambda p, h=h: p[1]["qps_halves"][h])
                  for h in (0, 1)]
        chosen = front(front(points, *halves[0]), *halves[1])
        best = qps_at(chosen, target, *halves[1])
        found[system] = best and {
            "qps": best["qps"], "at_least": best["at_least"], "name": best["point"][0]["name"],
            "params": best["point"][1]["params"], "p5": best["point"][1]["recall_p5"],
            "mode": best["point"][1]["mode"]}
        if best is None and chosen:
            found[system] = {"qps": None, "max_recall": chosen[-1][1]["recall_halves"][1]}
    return found


def best_peer(at):
    peers = {system: best for system, best in at.items()
             if system != "leadline" and best and best["qps"]}
    return max(peers, key=lambda system: peers[system]["qps"]) if peers else None


def ratio(at):
    """Leadline over the best peer, or nan."""
    peer, own = best_peer(at), at.get("leadline")
    return own["qps"] / at[peer]["qps"] if peer and own and own["qps"] else math.nan
