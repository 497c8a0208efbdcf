"""A control: the kind of grader that the corpus must be able to fool, run as `python weak_grader.py JOB.json`.

Program, tests and judge share one interpreter, and exit status 0 means passed. It is only ever given the few programs
that are harmless without a sandbox, in a process of its own under resource limits.
"""

import json
import sys


def judge(job: dict) -> None:
    """Run the program of the job, then its tests beside it."""
    namespace = {"__name__": "program"}
    exec(compile(job["program"], "program.py", "exec"), namespace)  # noqa: S102 - what a weak grader does
    for test in job["tests"]:
        if isinstance(test, str):
            exec(test, namespace)  # noqa: S102
            if "check" in namespace:
                namespace["check"](namespace[job["entry_point"]])
        else:
            output = test["output"]
            assert namespace[job["entry_point"]](*(test["input"] or [])) == output


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        judge(json.load(file))
