"""The part of an app's server that opens the time bank: python3 time_bank_link.py BASE_URL PORT.

CLIENT_ID and CLIENT_SECRET are what the registration of the app answered with.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


def link_for(base_url: str, authorization: str) -> str:
    """Return a link that opens the person's time bank once. Raises HTTPError, URLError."""
    app = {"client_id": os.environ["CLIENT_ID"], "client_secret": os.environ["CLIENT_SECRET"]}
    request = Request(
        f"{base_url}/v1/time-bank/app-links",
        data=json.dumps(app).encode(),
        headers={"Authorization": authorization, "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=10) as response:
        return json.load(response)["url"]


class AppServer(BaseHTTPRequestHandler):
    """Answer POST /time-bank of the app, which sends the person's session token as Authorization."""

    def do_POST(self):
        if self.path != "/time-bank":
            return self.answer(404, {"error": "not found"})
        try:
            url = link_for(sys.argv[1], self.headers.get("Authorization", ""))
        except HTTPError as error:
            if error.code == 401:  # the session ended, or the secret was changed
                return self.answer(401, {"error": "sign in again"})
            return self.answer(502, {"error": f"the time bank answered {error.code}"})
        except URLError:
            return self.answer(502, {"error": "the time bank cannot be reached"})
        return self.answer(200, {"url": url})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")  # the link opens once
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), AppServer).serve_forever()
