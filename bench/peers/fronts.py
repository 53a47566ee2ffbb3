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


def qps_under(points, at, recall, qps):
    """Speed that a front has at the recall `at`, for deciding what is far below it."""
    found = qps_at(points, at, recall, qps)
    return found["qps"] if found else 0.0
