"""The program in a pseudo-terminal: keys go in, what a user would see comes out."""
import os
import pty
import re
import select
import signal
import subprocess
import time

from harness import BOX, PROGRAM

TIMEOUT_S = 60

SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()=>][0-9A-B]?|\r")


class Terminal:
    """One run of the program. `seen` grows with everything that was printed, control sequences left out."""

    def __init__(self, case, *args, cwd=None):
        self.seen = ""
        master, slave = pty.openpty()
        env = dict(os.environ, EDGEWISE_MODEL=BOX, TERM="xterm", EDITRC="/nonexistent", NO_COLOR="1")
        self.process = subprocess.Popen([PROGRAM, *args], stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=env,
                                        start_new_session=True, preexec_fn=self._control)
        case.addCleanup(self.kill)
        os.close(slave)
        self.master = master

    @staticmethod
    def _control():
        import fcntl  # pylint: disable=import-outside-toplevel # in the child
        import termios
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def type(self, text):
        os.write(self.master, text.encode())

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is closed
            return False
        self.seen += SEQUENCE.sub(b"", data).decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, text, after=0):
        """Reads until text appears behind position `after` of what was seen; the position behind it."""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end:
            at = self.seen.find(text, after)
            if at >= 0:
                return at + len(text)
            if not self._read(0.2):
                break
        raise AssertionError(f"`{text}` did not appear in:\n{self.seen[after:]}")

    def wait_for_more(self, n):
        """Reads until n more characters were printed."""
        enough = len(self.seen) + n
        end = time.monotonic() + TIMEOUT_S
        while len(self.seen) < enough and time.monotonic() < end and self._read(0.2):
            pass
        if len(self.seen) < enough:
            raise AssertionError(f"the output ended:\n{self.seen}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def finish(self):
        """Waits for the end of the program; its exit status."""
        end = time.monotonic() + TIMEOUT_S
        while self._read(0.2) and self.process.poll() is None:
            if time.monotonic() > end:
                self.process.send_signal(signal.SIGKILL)
        while self._read(0):
            if not select.select([self.master], [], [], 0)[0]:
                break
        os.close(self.master)
        return self.process.wait(TIMEOUT_S)
