"""What schemathesis has to know beside the description."""

import schemathesis
from hypothesis import strategies

# Clients send cursors that the server has made; text that is no cursor is tried as well, and has to be refused.
schemathesis.openapi.format(
    "cursor",
    strategies.builds(
        "{}-ORD{}".format,
        strategies.integers(min_value=0, max_value=2**64 - 1),
        strategies.integers(min_value=1, max_value=10_000),
    ),
)
