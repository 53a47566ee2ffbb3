"""One module a peer. Its class System is what worker.py drives."""
