"""Check the signature of a webhook: python3 verify_webhook.py SECRET ID TIMESTAMP SIGNATURES < BODY."""

import base64
import hashlib
import hmac
import json
import sys
import time


def verify(secret: str, headers: dict[str, str], body: bytes) -> dict:
    """Return the message. Raises ValueError if it was not signed with the secret within five minutes."""
    timestamp = headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > 300:
        raise ValueError("The message is too old.")
    signed = b".".join((headers["webhook-id"].encode(), timestamp.encode(), body))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    # Several, separated by spaces, while the secret is being changed.
    if not any(hmac.compare_digest(expected, each) for each in headers["webhook-signature"].split(" ")):
        raise ValueError("The signature is wrong.")
    return json.loads(body)


if __name__ == "__main__":
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    message = verify(sys.argv[1], dict(zip(names, sys.argv[2:], strict=True)), sys.stdin.buffer.read())
    print(message["type"], json.dumps(message["data"]))
