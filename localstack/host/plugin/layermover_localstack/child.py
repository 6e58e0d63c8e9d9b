"""One Node process that answers invocations, one at a time, over a socket pair: a JSON message a line each way."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

RUNTIME = Path(__file__).with_name("runtime.mjs")
READ_BYTES = 1 << 16
END_SECONDS_MAX = 5


class ChildGone(Exception):
    """The process ended, or closed its side, instead of answering."""


class Child:
    def __init__(self, variables, folder):
        """`variables` are its whole environment. Its output goes to a file of `folder` that take_log empties."""
        self.log = tempfile.TemporaryFile(dir=folder, mode="a+b")
        self.socket, theirs = socket.socketpair()
        self.unread = b""
        with theirs:
            # Of LocalStack's own process group, so that it goes when that is ended.
            self.process = subprocess.Popen(
                [os.environ["LAMBDA_NODE"], "--enable-source-maps", str(RUNTIME), str(theirs.fileno())],
                env=variables,
                cwd=variables["LAMBDA_TASK_ROOT"],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                pass_fds=[theirs.fileno()],
            )

    def send(self, message):
        try:
            self.socket.settimeout(None)
            self.socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise ChildGone(self._how()) from error

    def receive(self, deadline):
        """The next message. Raises TimeoutError after `deadline` (monotonic, seconds), ChildGone if there is none to come."""
        parts = [self.unread]
        while b"\n" not in parts[-1]:
            try:
                self.socket.settimeout(max(0.001, deadline - time.monotonic()))
                part = self.socket.recv(READ_BYTES)
            except TimeoutError:
                raise
            except OSError as error:
                raise ChildGone(self._how()) from error
            if not part:
                raise ChildGone(self._how())
            parts.append(part)
        line, _, self.unread = b"".join(parts).partition(b"\n")
        return json.loads(line)

    def is_alive(self):
        return self.process.poll() is None

    def end(self):
        """Kills it; may be called again, and while another thread waits in `receive`."""
        self.process.kill()
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it was closed before
        self.process.wait(END_SECONDS_MAX)

    def take_log(self):
        """What it has printed since the last call."""
        self.log.seek(0)
        text = self.log.read().decode("utf-8", "replace")
        self.log.truncate(0)
        return text

    def _how(self):
        try:
            status = self.process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return "Runtime closed its connection"
        how = f"signal: {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return f"Runtime exited with error: {how}"
