"""`python -m servicekit.probe URL`: exit 0 when it answers 2xx. The health check of our images, which have no curl."""

import sys
import urllib.error
import urllib.request

# Shorter than the pause between two checks, so that they never overlap.
PROBE_SECONDS = 4.0


def main(arguments: list[str]) -> int:
    """1 with the reason on stderr when the service cannot take work or does not answer."""
    (url,) = arguments
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):
            return 0
    except urllib.error.HTTPError as error:
        sys.stderr.write(f"{url}: {error.code} {error.read().decode(errors='replace')}\n")
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
