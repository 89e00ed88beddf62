"""What stands between the server's sockets and the routes: limits, deadlines, headers, logs, own pages.

connections.py   bounds on sockets: headers, bodies and answers that stall, and how many at once
bodies.py        bounds on request bodies: size, time, nesting
routes.py        the templates of paths, for logs
access_log.py    one line per request, by the route's template
headers.py       caching and security headers of every answer; cross-origin reads
query.py         unknown query parameters are refused
home.py, docs.py the pages `/` and `/docs`
"""
