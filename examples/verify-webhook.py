"""Verifies a webhook: python3 examples/verify-webhook.py, with {"secret": "whsec_…", "headers": {…}, "body": "…"} as its input."""
import base64, hashlib, hmac, json, sys, time


def verify(secret, headers, body):
    """`body` is the bytes as they came. Gives the event, or raises ValueError."""
    named = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (named.get("webhook-" + name, "") for name in ("id", "timestamp", "signature"))
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > 300:
        raise ValueError("older than five minutes, or of the future")
    key = base64.b64decode(secret.replace("whsec_", ""))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # There are several: one of each secret while they are exchanged, and those of other kinds.
    if not any(hmac.compare_digest(each.encode(), expected) for each in signatures.split(" ")):
        raise ValueError("not signed with this secret")
    return json.loads(body)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    try:
        verify(given["secret"], given["headers"], given["body"].encode())
    except ValueError as error:
        sys.exit(f"refused: {error}")
    print("valid")
