# group: escape
# problem: add
# verdict: runtime_error
# must not: push a key press into a terminal of the machine
# --- program ---
import fcntl
import os

TIOCSTI = 0x5412


def add(a, b):
    descriptors = [0, 1, 2]
    try:
        descriptors.append(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        pass
    for fd in descriptors:
        try:
            fcntl.ioctl(fd, TIOCSTI, b" ")
            return a + b
        except OSError:
            continue
    raise PermissionError("no key press was pushed")
