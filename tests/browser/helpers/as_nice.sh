#!/bin/sh
# Starts $CHROMIUM as nice as whoever starts it: playwright gives it a session of its own, and on Linux a session may have
# its own share of the machine, however nice its processes are.
echo "$(nice)" 2>/dev/null >/proc/self/autogroup || true
exec "$CHROMIUM" "$@"
