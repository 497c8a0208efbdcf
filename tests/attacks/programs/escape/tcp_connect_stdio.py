# group: escape
# problem: sum_two
# verdict: runtime_error
# must not: reach a listener on the machine
# --- program ---
import socket

a, b = map(int, input().split())
socket.create_connection(("127.0.0.1", @TCP_PORT@), timeout=2).close()
print(a + b)
