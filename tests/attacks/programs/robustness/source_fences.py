# group: robustness
# problem: add
# verdict: compile_error
# must not: be repaired in silence: taking code out of a completion is another step's work
# --- program ---
```python
def add(a, b):
    return a + b
```
