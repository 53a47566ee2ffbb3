"""What all peers have in common."""
import importlib.metadata
import os

import numpy as np


class Peer:
    """An index of `config` in `folder`. Metric "cosine" comes with unit vectors, "l2" as it is."""

    package = ""

    def __init__(self, config, metric, dim, folder):
        self.config, self.metric, self.dim, self.folder = config, metric, dim, folder
        self.times = {}  # what build wants to say beside its own time

    @classmethod
    def version(cls):
        return importlib.metadata.version(cls.package)

    def path(self, name):
        return os.path.join(self.folder, name)

    def prepare(self, base):
        """Puts the rows into the form that build takes; not timed."""
        return np.array(base)  # some bindings refuse what is only for reading

    def queries(self, queries):
        """Puts queries into the form that searches take; not timed."""
        return queries

    def requests(self, queries, k):  # pylint: disable=unused-argument
        """What search_each takes; not timed."""
        return [queries[i:i + 1] for i in range(len(queries))]

    def row_numbers(self, found):
        """Rows of one answer, as a sequence of integers; not timed."""
        return found

    # build(base, threads), save(), open(), set(params), search_each(requests, k) -> answers;
    # search_batch(queries, k) -> answers where the peer has such a call; set_filters(masks) and
    # search_filtered(requests, which, k) -> answers where it has filters.
