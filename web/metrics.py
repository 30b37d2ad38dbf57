"""GET /metrics: the figures in Prometheus' form, for the addresses that may read them (HOTLINE_METRICS_FROM).

What they are and where they come from: hotline/figures.py, docs/reference/metrics.md.
"""

from ipaddress import ip_address

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from web.answers import file_of
from web.login import address, services

router = APIRouter()


@router.get("/metrics", responses=file_of("Figures", "text/plain"))
def metrics(request: Request) -> Response:
    """404 for anybody else: that there are figures is no outsider's business."""
    operations = services(request).operations
    try:
        peer = ip_address(address(request))
    except ValueError:
        raise HTTPException(404) from None
    peer = getattr(peer, "ipv4_mapped", None) or peer
    if not any(peer in readers for readers in operations.readers):
        raise HTTPException(404)
    return Response(
        operations.metrics(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"}
    )
