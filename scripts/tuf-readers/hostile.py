"""Hostile repositories, made with python-tuf's metadata API, shown to the real agent over real HTTP.

Each case begins with a terminal that runs release 1 of an honest repository. Then the repository is what an attacker would make of it, and
`titer agent update` must end with the case's code, install nothing and leave release 1 in force. Then it is honest again, with release 2,
and the next update must install that. The names of the cases are those of the table in docs/threat-model.md."""

import argparse
import copy
import hashlib
import json
import pathlib
import sys
import tempfile
import time

# Each enters its cases where `CASES` is.
import cases_signed  # noqa: F401
import cases_listed  # noqa: F401
from cases import CASES
from common import FileServer, Titer, loads
from common import copy as copy_folder
from repository import Repository, key


class Harness:
    """The agent of one folder, and a server that imitates the service's answers to it."""

    def __init__(self, titer):
        self.titer = titer
        self.repository, self.assigned, self.asked = None, ["acme"], []
        self.release = 1
        self.server = FileServer(self.answer)
        self.blobs = {}

    def told(self, terminal, counter):
        """What the service's director would say; nobody stole that key here."""
        channels = [{"channel": f"{maker}/main", "release": self.release} for maker in self.assigned]
        until = int(time.time()) + 3600
        assignment = {"cohort": "c", "number": counter, "signed_at": until - 3600, "expires": until, "root": 1}
        assignment |= {"channels": channels, "reason": "refresh", "words": "as told", "blobs": []}
        membership = {"terminal": terminal, "cohort": "c", "number": 0, "counter": counter, "freshness": "f", "expires": until}
        directed = self.repository.directed
        return {"assignment": directed("assignment", assignment), "membership": directed("membership", membership)}

    def answer(self, method, path, headers, _body):
        self.asked.append(path)
        parts = path.strip("/").split("/")
        if method == "GET" and parts[0] == "metadata":
            data = self.repository.files.get("/".join(parts[1:]))
            return (200, data) if data is not None else (404, b'{"code":"metadata_unknown"}')
        if method == "GET" and parts[0] == "targets":
            data = self.blobs.get(parts[-1].split(".")[0])
            return (200, data) if data is not None else (404, b"{}")
        if method == "GET" and parts[:2] == ["v1", "deltas"]:
            return 200, b"[]"
        if method == "POST" and parts == ["v1", "terminals"]:
            return 200, b'{"terminal":"t1"}'
        if method == "POST" and parts[-1] == "check-in":
            return 200, json.dumps(self.told(parts[2], int(headers["titer-counter"]))).encode()
        if method == "POST" and parts[-1] == "acknowledge":
            return 200, b"{}"
        return 404, b'{"code":"route_unknown"}'

    def enrol(self, state):
        root = hashlib.sha256(self.repository.files["1.root.json"]).hexdigest()
        words = ["--channel", "acme/main", "--token", f"te1.secret.{root}", "--service", self.server.url]
        self.titer.run("agent", "enroll", "--state", state, "--accept", "any", *words)

    def update(self, state):
        """Exit code, and the codes of all that failed."""
        ran = self.titer.run("agent", "update", "--state", state, "--json", code=None)
        assert "panicked" not in ran.stderr, ran.stderr
        codes = {fault["code"] for line in loads(ran.stdout) for fault in line.get("faults", [])}
        if "(" in ran.stderr:
            codes.add(ran.stderr.split("error: ")[-1].splitlines()[0].rsplit("(", 1)[1].rstrip(")"))
        return ran.returncode, codes, ran.stderr + ran.stdout

    def runs(self, state):
        status = loads(self.titer.run("agent", "status", "--state", state, "--json").stdout)[0]
        return {channel["channel"]: channel["release"] for channel in status["channels"]}


def releases(titer, blobs):
    """Two releases of two makers, compiled and described by the product, to be signed here by other keys."""
    made = {}
    for maker in ("acme", "best"):
        titer.run("maker", "init", maker, "--dir", maker)
        made[maker] = {}
        for release in (1, 2):
            blob = titer.blob(f"{maker}-{release}", f"{maker}/main", release, f"Test.{maker}-{release}:0:*:6e65{release:08x}6c65\n")
            titer.run("maker", "release", blob, "--dir", maker)
            data = blob.read_bytes()
            blobs[hashlib.sha256(data).hexdigest()] = data
        role = json.loads((titer.folder / maker / "role.json").read_text())["signed"]
        for path, target in role["targets"].items():
            made[maker][target["custom"]["release"]] = {"path": path, "target": target}
    return made


def honest_again(repository):
    """What the operator publishes after the attack: release 2, in versions above all that was honest."""
    repository.offer("acme", 2)
    repository.bump("m-acme", "targets", "snapshot", "timestamp", by=10)
    repository.write()
    return repository


def fast_forward_case(harness, base, state, role):
    """Stolen keys sign a version far ahead, which is as good as any. What comes after is older, until root takes those keys away."""
    evil = copy.deepcopy(base)
    evil.bump(role, by=2**31)
    evil.bump(*[above for above in ("snapshot", "timestamp") if above != role])
    evil.write()
    harness.repository, harness.release = evil, 1
    code, _, said = harness.update(state)
    assert code == 0, said
    harness.repository, harness.release = honest_again(copy.deepcopy(base)), 2
    refused = harness.update(state)
    return refused, rotated(base)


def rotated(repository):
    """With new keys for timestamp and snapshot, by which terminals forget the versions that the old ones signed."""
    repository = copy.deepcopy(repository)
    repository.signers["timestamp"], repository.signers["snapshot"] = [key()], [key()]
    repository.add_root()
    return repository


def run_case(harness, template, base, entry):
    name, _, codes, assigned, attack = entry
    state = harness.titer.folder / "terminal"
    copy_folder(template, state)
    evil = copy.deepcopy(base)
    harness.assigned, harness.asked, harness.release = list(assigned), [], 2
    harness.repository = evil
    outcome = attack(evil)
    recovered = base
    if isinstance(outcome, tuple):
        (code, found, said), recovered = fast_forward_case(harness, base, state, outcome[1])
    else:
        code, found, said = harness.update(state)
    if not codes:
        assert code == 0 and harness.runs(state)["acme/main"] == 2, f"{name}: must succeed\n{said}"
        return "installed"
    assert code == 2, f"{name}: the update ended with {code}\n{said}"
    assert len(found & set(codes)) == 1 and len(found) == 1, f"{name}: {found}, not {codes}\n{said}"
    assert harness.runs(state) == {"acme/main": 1}, f"{name}: what runs has changed"
    outside = {path for path in harness.asked if "escaped" in path or ".." in path}
    assert not outside, f"{name}: it asked for {outside}"
    if outcome == "rotate":
        # The snapshot was good by its key, and lists a role that no honest one ever will.
        recovered = rotated(base)
    if outcome in ("kept", "slow"):
        # The terminal followed roots that were good. One that was not is gone again.
        recovered = evil
        if name == "too-few-signatures-root":
            del evil.files[f"{evil.roots}.root.json"]
        if name == "expired-root":
            evil.expires.clear()
            evil.add_root()
    harness.repository, harness.release = honest_again(copy.deepcopy(recovered)), 2
    # It walks through a bounded number of roots at a time, so that an endless chain does not take it endlessly.
    for _ in range(2 if outcome == "slow" else 1):
        code, _, said = harness.update(state)
    assert code == 0 and harness.runs(state) == {"acme/main": 2}, f"{name}: the honest update after it fails\n{said}"
    return found.pop()


def first_sight_of_a_snapshot_without_a_maker(harness, base):
    """Who never saw the maker listed cannot know better: that maker fails, the other is installed."""
    repository = copy.deepcopy(base)
    repository.unlisted.add("m-acme.json")
    repository.bump("snapshot", "timestamp")
    repository.write()
    harness.repository, harness.assigned, harness.release = repository, ["acme", "best"], 1
    state = harness.titer.folder / "newcomer"
    harness.enrol(state)
    code, found, said = harness.update(state)
    assert code == 2 and found == {"release_not_listed"}, said
    assert harness.runs(state) == {"best/main": 1}, said
    return found.pop()


def hidden_root(harness, template, base):
    """A root that was followed once is kept although the rest of that update failed, so that hiding it later brings no old key back."""
    state = harness.titer.folder / "terminal"
    copy_folder(template, state)
    rotated = copy.deepcopy(base)
    stolen = rotated.signers["timestamp"]
    rotated.signers["timestamp"] = [key()]
    rotated.add_root()
    rotated.write(signers={"timestamp": stolen})
    harness.repository, harness.assigned, harness.release = rotated, ["acme"], 2
    assert harness.update(state)[1] == {"metadata_unsigned"}
    hidden = copy.deepcopy(base)
    hidden.offer("acme", 2)
    hidden.write()
    harness.repository = hidden
    code, found, said = harness.update(state)
    assert code == 2 and found == {"metadata_unsigned"}, said
    assert harness.runs(state) == {"acme/main": 1}
    return found.pop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--titer", required=True)
    parser.add_argument("--only", help="the case with this name")
    args = parser.parse_args()
    table = (pathlib.Path(__file__).parents[2] / "docs/threat-model.md").read_text()
    names = [name for name, *_ in CASES] + ["first-sight-of-a-snapshot-without-a-maker", "hidden-root"]
    missing = [name for name in names if f"`{name}`" not in table]
    assert not missing, f"docs/threat-model.md does not list {missing}"
    with tempfile.TemporaryDirectory(prefix="titer-hostile-") as scratch:
        titer = Titer(args.titer, scratch)
        harness = Harness(titer)
        base = Repository(releases(titer, harness.blobs))
        # Versions begin above 1, so that there is something to roll back to.
        base.bump("timestamp", "snapshot", "targets", "m-acme", "m-best", by=4)
        base.write()
        harness.repository = base
        template = pathlib.Path(scratch) / "template"
        harness.enrol(template)
        code, _, said = harness.update(template)
        assert code == 0 and harness.runs(template) == {"acme/main": 1}, said
        for entry in CASES:
            if args.only in (None, entry[0]):
                print(f"{entry[1]:>2}  {entry[0]:<44} {run_case(harness, template, base, entry)}", flush=True)
        if args.only is None:
            print(f"12  {names[-2]:<44} {first_sight_of_a_snapshot_without_a_maker(harness, base)}")
            print(f" 3  {names[-1]:<44} {hidden_root(harness, template, base)}")
            print(f"{len(names)} hostile repositories: nothing installed by any, and the next honest update succeeded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
