"""What stands around the replicas: a balancer, terminals that sign by themselves, readers that compare what they see."""

import hashlib
import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Balancer:
    """One address for all replicas: each connection goes to one that takes it."""

    def __init__(self):
        self.ports = {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near):
        ports = list(self.ports.values())
        random.shuffle(ports)
        for port in ports:
            try:
                far = socket.create_connection(("127.0.0.1", port), timeout=5)
                break
            except OSError:
                continue
        else:
            near.close()
            return
        far.settimeout(None)
        back = threading.Thread(target=self._pipe, args=(far, near), daemon=True)
        back.start()
        self._pipe(near, far)

    @staticmethod
    def _pipe(source, target):
        try:
            while piece := source.recv(1 << 16):
                target.sendall(piece)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def fetch(url, body=None, headers=None, timeout=60):
    """Status and body; status 0 when nobody answered."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers or {}), timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()
    except OSError:
        return 0, b""
    except Exception:  # A connection that was cut within the answer.
        return 0, b""


class Terminal:
    """Checks in and acknowledges, over and over, and remembers what was answered."""

    def __init__(self, base, token):
        self.base, self.key = base, Ed25519PrivateKey.generate()
        self.counter, self.check_ins, self.acknowledged, self.lost, self.asked = 0, 0, [], 0, 0
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        public = self.key.public_key().public_bytes(*raw).hex()
        status, answer = self.call("/v1/terminals", {"token": token, "public_key": public, "facts": self.facts()})
        assert status == 200, answer
        self.name, self.freshness = json.loads(answer)["terminal"], ""

    def facts(self):
        facts = {"hardware": "test", "os": "test", "engine_version": str(self.counter), "designation": "own"}
        return facts | {"subscribed": ["acme/main"]}

    def call(self, path, body):
        self.counter = max(self.counter + 1, time.time_ns() // 1000)
        data = json.dumps(body).encode()
        signed = f"titer-request-v1\nPOST {path}\n{self.counter}\n".encode() + data
        headers = {"titer-counter": str(self.counter), "titer-signature": self.key.sign(signed).hex()}
        return fetch(self.base + path[1:], data, headers | {"content-type": "application/json"})

    def step(self):
        status, answer = self.call(f"/v1/terminals/{self.name}/check-in", {"facts": self.facts(), "applied": [], "freshness": self.freshness})
        self.note(status, answer)
        if status == 200:
            self.freshness = json.loads(json.loads(answer)["membership"]["payload"])["freshness"]
            self.check_ins += 1
            self.checked_in = self.counter
        self.asked += 1
        code = f"test_{self.asked}"
        report = {"outcome": "trouble", "step": "test", "code": code, "words": "x"}
        status, answer = self.call(f"/v1/terminals/{self.name}/acknowledge", report)
        self.note(status, answer)
        if status == 200:
            self.acknowledged.append(code)

    def note(self, status, answer):
        # Nobody answered, or the tables did not: both may have happened or not. Anything else is wrong.
        assert status in (0, 200, 500, 503), (status, answer)
        self.lost += status != 200


class Watcher:
    """Asks each replica for what is signed and compares it with everything that was seen before."""

    def __init__(self):
        self.seen, self.newest, self.looks = {}, 0, 0

    def look(self, base):
        status, timestamp = fetch(base + "metadata/timestamp.json", timeout=10)
        if status != 200:
            return
        self.looks += 1
        signed = json.loads(timestamp)["signed"]
        self.compare("timestamp", signed["version"], timestamp)
        assert signed["version"] >= self.newest, f"timestamp {signed['version']} after {self.newest}"
        self.newest = signed["version"]
        listed = signed["meta"]["snapshot.json"]
        status, snapshot = fetch(f"{base}metadata/{listed['version']}.snapshot.json", timeout=10)
        assert status in (0, 200, 500), f"snapshot {listed['version']} is named and answered with {status}"
        if status == 200:
            assert hashlib.sha256(snapshot).hexdigest() == listed["hashes"]["sha256"], "snapshot is not what timestamp names"
            self.compare("snapshot", listed["version"], snapshot)

    def compare(self, role, version, data):
        digest = hashlib.sha256(data).hexdigest()
        assert self.seen.setdefault((role, version), digest) == digest, f"{role} {version} was signed twice"
