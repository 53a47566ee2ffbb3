"""The driver's side of a worker: a process that holds one index and answers a JSON line a command."""
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Not the pools of Tokio: with one thread LanceDB waits for itself. The pinning holds for it as well.
POOLS = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR", "RAYON")
PR_SET_PDEATHSIG = 1


def set_up(cores):
    """In the child: its processors, and that it ends with this process."""
    os.sched_setaffinity(0, cores)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class WorkerFailed(Exception):
    """The worker refused a command, took too long or died; the text says which."""


class Worker:
    """`cores`: the processors it may run on, and with `threads` the size of every thread pool."""

    def __init__(self, system, leadline, cores, threads=1):
        self.command = [leadline] if system == "leadline" else [
            sys.executable, os.path.join(HERE, "worker.py"), system]
        environment = dict(os.environ, **{pool + "_NUM_THREADS": str(threads) for pool in POOLS})
        self.log = tempfile.TemporaryFile()
        # In a folder of its own: some peers write logs where they are.
        self.scratch = tempfile.TemporaryDirectory(prefix="leadline-peers-")
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
            cwd=self.scratch.name, env=environment, start_new_session=True,
            preexec_fn=lambda: set_up(cores))

    def ask(self, limit_s=600, **command):
        """Paths in commands are absolute."""
        try:
            self.process.stdin.write((json.dumps(command) + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            raise WorkerFailed(self.last_words()) from None
        if not select.select([self.process.stdout], [], [], limit_s)[0]:
            self.kill()
            raise WorkerFailed(f"not done after {limit_s:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailed(self.last_words())
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer

    def last_words(self):
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return f"ended with {code}: {' / '.join(lines[-3:])}"

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def close(self):
        if self.process.poll() is None:
            try:
                self.process.stdin.close()
                self.process.wait(20)
            except (OSError, subprocess.TimeoutExpired):
                self.kill()
        self.log.close()
        self.scratch.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
