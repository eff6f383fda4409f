"""What the sidecar's own code says of the wire, restated: this package does not import it; a test compares them."""

from sidecar.envoyconfig.parts.names import CLUSTER_HEADER, DECISION_ID_HEADER, REASON_HEADER

SET_HEADERS = (CLUSTER_HEADER, DECISION_ID_HEADER, REASON_HEADER, "content-length", "content-type")
"""Every header that the sidecar sets, on a request or on an answer of its own."""

READ_HEADERS = (":method", ":path", "content-encoding")
"""Every header of a request that it reads, whatever the policy says."""

MOST_HEADERS = 180
MOST_HEADER_BYTES = 56 * 1024
"""It refuses a request that has more, before what it adds could take it past Envoy's own limits."""
