# group: escape
# problem: add
# verdict: runtime_error
# must not: reach a local service that has no path
# --- program ---
import socket


def add(a, b):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect("\0@ABSTRACT_SOCKET@")
    return a + b
