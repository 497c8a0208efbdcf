# group: escape
# problem: add
# verdict: runtime_error
# must not: wait for connections
# --- program ---
import socket


def add(a, b):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
    return a + b
