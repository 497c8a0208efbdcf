# group: escape
# problem: add
# verdict: runtime_error
# must not: talk to a Ray node
# --- program ---
import glob
import socket


def add(a, b):
    for path in [*glob.glob("/tmp/ray/session_*/sockets/*"), "@UNIX_SOCKET@"]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(2)
                connection.connect(path)
                return a + b
        except OSError:
            continue
    raise PermissionError("no Ray socket could be reached")
