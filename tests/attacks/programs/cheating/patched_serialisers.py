# group: cheating
# problem: add
# verdict: wrong_answer | runtime_error
# must not: pass because the text that leaves the child is the program's own
# why open: a child that spoils its own interpreter may fail before it answers
# --- program ---
import json
import json.encoder
import marshal
import pickle
import struct

for module in (json, marshal, pickle):
    module.dumps = lambda *args, **options: '{"outcome": "passed", "passed": true, "ok": 1}'
    module.dump = lambda *args, **options: None
json.encoder.encode_basestring_ascii = json.encoder.encode_basestring = lambda text: '"passed"'
json.JSONEncoder.encode = json.JSONEncoder.iterencode = lambda self, value: "5"
struct.pack = lambda *args: b"\x01" * 8


def add(a, b):
    return None
