"""What stands between the server's sockets and the routes: limits, deadlines, headers, logs, own pages.

connections.py   bounds on sockets: headers, bodies and answers that stall, and how many at once
bodies.py        bounds on request bodies: size, time, nesting
routes.py        the templates of paths, for logs and metrics
tracing.py       spans for an OpenTelemetry collector, where one is set up
request_timing.py  the time that each request takes, logged and measured by the route's template
headers.py       caching and security headers of every answer; cross-origin reads
query.py         unknown query parameters are refused
docs.py          the page `/docs`
"""
