# group: escape
# problem: add
# verdict: runtime_error
# must not: talk to a container engine
# --- program ---
import socket

PATHS = ["/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock", "@UNIX_SOCKET@"]


def add(a, b):
    for path in PATHS:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(2)
                connection.connect(path)
                return a + b
        except OSError:
            continue
    raise PermissionError("no engine could be reached")
