"""Signs what schemathesis sends to the routes of terminals and makers, most of the time as one that is enrolled, so that their handlers are
reached. `API_FUZZ_WORK` is the folder with the keys: `terminal/` of an agent, `maker/` of the maker acme."""

import json
import os
import threading
import time

import schemathesis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from requests.auth import AuthBase

work = os.environ["API_FUZZ_WORK"]
lock = threading.Lock()
last = 0


def key(path):
    with open(os.path.join(work, path), "rb") as file:
        document = file.read()
    # PKCS#8 of either version holds the 32 bytes after this.
    at = document.index(bytes.fromhex("04220420")) + 4
    return Ed25519PrivateKey.from_private_bytes(document[at : at + 32])


terminal_key, maker_key = key("terminal/key.pk8"), key("maker/key.pk8")
with open(os.path.join(work, "terminal/identity.json")) as file:
    terminal = json.load(file)["terminal"]


class Signed(AuthBase):
    def __init__(self, key):
        self.key = key

    def __call__(self, request):
        global last
        with lock:
            last = max(last + 1, time.time_ns() // 1000)
            counter = last
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        path = request.path_url.split("?")[0]
        text = f"titer-request-v1\n{request.method} {path}\n{counter}\n".encode() + body
        request.headers["titer-counter"] = str(counter)
        request.headers["titer-signature"] = self.key.sign(text).hex()
        return request


@schemathesis.hook
def before_call(context, case, kwargs):
    parameters = case.path_parameters or {}
    if "terminal" in parameters:
        parameters["terminal"] = terminal
        kwargs["auth"] = Signed(terminal_key)
    elif case.operation.path.endswith("/news"):
        parameters["maker"] = "acme"
        kwargs["auth"] = Signed(maker_key)
    elif "maker" in parameters:
        parameters["maker"] = "acme"
