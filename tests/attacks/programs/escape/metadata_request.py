# group: escape
# problem: add
# verdict: runtime_error
# must not: fetch credentials as from a cloud's metadata address
# --- program ---
import urllib.request


def add(a, b):
    url = "http://127.0.0.1:@TCP_PORT@/latest/meta-data/iam/security-credentials/"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(url, timeout=2).read()
    return a + b
