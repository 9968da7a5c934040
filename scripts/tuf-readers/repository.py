"""A TUF repository like the service's, made with python-tuf's metadata API and keys of its own."""

import copy
import hashlib
import json
from datetime import datetime, timedelta, timezone

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import DelegatedRole, Delegations, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

TOP = ("root", "timestamp", "snapshot", "targets")
FAR = timedelta(days=300)


def key():
    return CryptoSigner.generate_ed25519()


def later(delta=FAR):
    return (datetime.now(timezone.utc) + delta).replace(microsecond=0)


def signed(role, signers):
    """The file of a role, signed by all of `signers`."""
    metadata = Metadata(role)
    for signer in signers:
        metadata.sign(signer, append=True)
    return json.dumps(metadata.to_dict(), indent=1).encode()


def listed(version, data):
    return MetaFile(version, len(data), {"sha256": hashlib.sha256(data).hexdigest()})


class Repository:
    """What an operator and two makers hold, and the files made of it. An attack changes a copy of it or its files."""

    def __init__(self, releases):
        self.signers = {role: [key()] for role in TOP}
        self.director = [key()]
        self.makers = {maker: [key()] for maker in releases}
        self.releases = releases
        self.offered = {maker: [1] for maker in releases}
        self.versions = dict.fromkeys((*TOP[1:], *(f"m-{maker}" for maker in releases)), 1)
        self.expires = {}
        self.files = {}
        self.roots = 0
        self.unlisted = set()
        self.add_root()

    def expiry(self, role):
        return self.expires.get(role, later())

    def add_root(self, change=lambda root: None, signers=None, version=None):
        """The next root: its keys are those of `signers`, and it is signed by those of the version before too."""
        before = getattr(self, "root_signers", [])
        self.roots += 1
        root = Root(version or self.roots, None, self.expiry("root"), consistent_snapshot=True)
        for role in TOP:
            for signer in self.signers[role]:
                root.add_key(signer.public_key, role)
        director = [signer.public_key.keyval["public"] for signer in self.director]
        root.unrecognized_fields["titer"] = {"director": {"threshold": 1, "keys": director}}
        change(root)
        self.root_signers = self.signers["root"]
        by = {signer.public_key.keyid: signer for signer in [*before, *self.root_signers]} if signers is None else {}
        self.files[f"{self.roots}.root.json"] = signed(root, [*by.values(), *(signers or [])])

    def directed(self, kind, document):
        """A document of the director's: its text, and signatures over that."""
        payload = json.dumps(document)
        message = f"titer-{kind}-v1\n{payload}".encode()
        signatures = [{"key": by.public_key.keyval["public"], "signature": by.sign(message).signature} for by in self.director]
        return {"payload": payload, "signatures": signatures}

    def maker_role(self, maker):
        targets = {}
        for release in self.offered[maker]:
            path, target = self.releases[maker][release]["path"], self.releases[maker][release]["target"]
            targets[path] = TargetFile.from_dict(copy.deepcopy(target), path)
        return Targets(self.versions[f"m-{maker}"], None, self.expiry(f"m-{maker}"), targets)

    def delegation(self, maker):
        ids = [signer.public_key.keyid for signer in self.makers[maker]]
        return DelegatedRole(f"m-{maker}", ids, 1, True, paths=[f"m/{maker}/*/*"])

    def delegations(self):
        keys = {signer.public_key.keyid: signer.public_key for held in self.makers.values() for signer in held}
        return Delegations(keys, {f"m-{maker}": self.delegation(maker) for maker in self.makers})

    def write(self, change=lambda name, role: None, signers=None):
        """Makes all files. `change` sees each role before it is signed; `signers` takes the place of a role's own."""
        signers = {**self.signers, **{f"m-{maker}": held for maker, held in self.makers.items()}, **(signers or {})}
        meta = {}

        def put(name, role, file):
            change(name, role)
            self.files[file.format(version=role.version)] = data = signed(role, signers[name])
            return listed(role.version, data)

        for maker in self.makers:
            meta[f"m-{maker}.json"] = put(f"m-{maker}", self.maker_role(maker), f"{{version}}.m-{maker}.json")
        targets = Targets(self.versions["targets"], None, self.expiry("targets"), {}, self.delegations())
        meta["targets.json"] = put("targets", targets, "{version}.targets.json")
        meta = {name: value for name, value in meta.items() if name not in self.unlisted}
        snapshot = Snapshot(self.versions["snapshot"], None, self.expiry("snapshot"), meta)
        of_snapshot = put("snapshot", snapshot, "{version}.snapshot.json")
        put("timestamp", Timestamp(self.versions["timestamp"], None, self.expiry("timestamp"), of_snapshot), "timestamp.json")

    def offer(self, maker, release):
        """Offers one release more, in new versions of everything."""
        self.offered[maker].append(release)
        self.bump(f"m-{maker}", "targets", "snapshot", "timestamp")

    def bump(self, *roles, by=1):
        for role in roles:
            self.versions[role] += by

    def relist(self, change):
        """Signs snapshot and timestamp anew over what is in the files, after `change` of the list."""
        snapshot = json.loads(self.files[f"{self.versions['snapshot']}.snapshot.json"])
        role = Snapshot.from_dict(snapshot["signed"])
        change(role.meta)
        self.files[f"{role.version}.snapshot.json"] = data = signed(role, self.signers["snapshot"])
        of_snapshot = listed(role.version, data)
        timestamp = Timestamp(self.versions["timestamp"], None, self.expiry("timestamp"), of_snapshot)
        self.files["timestamp.json"] = signed(timestamp, self.signers["timestamp"])
