# group: robustness
# problem: sum_two
# verdict: passed
# must not: fail because the template replaces print and the streams
# --- program ---
import os
import sys
from io import BytesIO, IOBase

BUFSIZE = 8192


class FastIO(IOBase):
    newlines = 0

    def __init__(self, file):
        self._fd = file.fileno()
        self.buffer = BytesIO()
        self.writable = "x" in file.mode or "r" not in file.mode
        self.write = self.buffer.write if self.writable else None

    def readline(self):
        while self.newlines == 0:
            piece = os.read(self._fd, max(os.fstat(self._fd).st_size, BUFSIZE))
            self.newlines = piece.count(b"\n") + (not piece)
            place = self.buffer.tell()
            self.buffer.seek(0, 2), self.buffer.write(piece), self.buffer.seek(place)
        self.newlines -= 1
        return self.buffer.readline()

    def flush(self):
        if self.writable:
            os.write(self._fd, self.buffer.getvalue())
            self.buffer.truncate(0), self.buffer.seek(0)


class IOWrapper(IOBase):
    def __init__(self, file):
        self.buffer = FastIO(file)
        self.flush = self.buffer.flush
        self.writable = self.buffer.writable
        self.write = lambda text: self.buffer.write(text.encode("ascii"))
        self.readline = lambda: self.buffer.readline().decode("ascii")


sys.stdin, sys.stdout = IOWrapper(sys.stdin), IOWrapper(sys.stdout)
input = lambda: sys.stdin.readline().rstrip("\r\n")
a, b = map(int, input().split())
print(a + b)
sys.stdout.flush()
