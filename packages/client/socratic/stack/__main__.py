"""`python -m socratic.stack`: the supervisor as a process of its own; reads a StackRequest as JSON from stdin."""

import os
import sys

from contracts.errors import Problem

from socratic.stack.plan import StackRequest
from socratic.stack.serve import serve_stack


def main() -> int:
    request = StackRequest.model_validate_json(sys.stdin.read())
    try:
        return serve_stack(request, dict(os.environ))
    except Problem as problem:
        sys.stderr.write(f"{problem.detail}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
