# group: escape
# problem: add
# verdict: runtime_error
# must not: open a netlink, packet, vsock, crypto or raw socket
# --- program ---
import socket

KINDS = [(16, 3, 0), (17, 3, 0), (40, 1, 0), (38, 5, 0), (2, 3, 1), (10, 2, 0), (31, 3, 1), (1, 1, 0)]


def add(a, b):
    for family, kind, protocol in KINDS:
        try:
            socket.socket(family, kind, protocol).close()
            return a + b
        except OSError:
            continue
    raise PermissionError("no socket could be opened")
