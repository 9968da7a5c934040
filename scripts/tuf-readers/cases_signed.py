"""Rows 1 to 9: signatures, the chain of roots, rollback, fast-forward, freeze."""

import hashlib
import json
from datetime import timedelta

from securesystemslib.signer import SSlibKey

from cases import case, each
from repository import key, later

# Rows 1 and 2: signatures.


@each(("timestamp", "snapshot", "targets", "m-acme"), "metadata_unsigned", row=1)
def wrong_key(repository, role):
    repository.offer("acme", 2)
    repository.write(signers={role: [key()]})


@case("metadata_unsigned", row=1)
def wrong_key_root(repository):
    repository.add_root(signers=[key()])


@case("metadata_unsigned", row=1)
def key_of_another_role(repository):
    repository.offer("acme", 2)
    repository.write(signers={"timestamp": repository.signers["snapshot"]})


@each(("timestamp", "snapshot", "targets"), "metadata_unsigned", row=2)
def too_few_signatures(repository, role):
    repository.signers[role].append(key())

    def two(root):
        root.roles[role].threshold = 2

    repository.add_root(two)
    repository.offer("acme", 2)
    repository.write(signers={role: repository.signers[role][:1]})
    return "kept"


@case("metadata_unsigned", row=2)
def too_few_signatures_root(repository):
    repository.signers["root"] += [key(), key()]

    def two(root):
        root.roles["root"].threshold = 2

    repository.add_root(two)
    repository.add_root(two, signers=repository.signers["root"][:1])
    return "kept"


@case("metadata_unsigned", row=2)
def too_few_signatures_maker(repository):
    repository.makers["acme"].append(key())
    repository.offer("acme", 2)

    def two(name, role):
        if name == "targets":
            role.delegations.roles["m-acme"].threshold = 2

    repository.write(two, signers={"m-acme": repository.makers["acme"][:1]})


def rewrite(repository, file, change):
    document = json.loads(repository.files[file])
    change(document)
    repository.files[file] = json.dumps(document).encode()


@case("metadata_unsigned", row=2)
def duplicate_signatures(repository):
    repository.signers["timestamp"].append(key())

    def two(root):
        root.roles["timestamp"].threshold = 2

    repository.add_root(two)
    repository.offer("acme", 2)
    repository.write(signers={"timestamp": repository.signers["timestamp"][:1]})
    rewrite(repository, "timestamp.json", lambda document: document["signatures"].append(document["signatures"][0]))
    return "kept"


def disguised(of):
    """The same public key under another id: an id covers every member of a key."""
    body = of.public_key.to_dict() | {"note": "the same key"}
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return SSlibKey(hashlib.sha256(canonical).hexdigest(), body["keytype"], body["scheme"], body["keyval"], {"note": "the same key"})


@case("metadata_refused", row=2)
def one_key_under_two_ids(repository):
    twin = disguised(repository.signers["timestamp"][0])

    def two(root):
        root.add_key(twin, "timestamp")
        root.roles["timestamp"].threshold = 2

    repository.add_root(two)
    repository.offer("acme", 2)
    repository.write()

    def sign_twice(document):
        document["signatures"].append({"keyid": twin.keyid, "sig": document["signatures"][0]["sig"]})

    rewrite(repository, "timestamp.json", sign_twice)


@case("metadata_refused", row=2)
def one_maker_key_under_two_ids(repository):
    twin = disguised(repository.makers["acme"][0])
    repository.offer("acme", 2)

    def two(name, role):
        if name == "targets":
            role.delegations.keys[twin.keyid] = twin
            role.delegations.roles["m-acme"].keyids.append(twin.keyid)
            role.delegations.roles["m-acme"].threshold = 2

    repository.write(two)


@case("metadata_malformed", row=2)
def key_id_that_is_not_its_keys(repository):
    def wrong(root):
        other = SSlibKey("0" * 64, "ed25519", "ed25519", key().public_key.keyval)
        root.add_key(other, "timestamp")

    repository.add_root(wrong)


# Rows 3 and 4: the chain of roots.


@case("metadata_unsigned", row=3)
def root_chain_with_a_bad_link(repository):
    for bad in (False, False, True, False):
        repository.add_root()
        if bad:
            stranger = key()
            repository.signers["root"] = [stranger]
            repository.root_signers = []
            repository.roots -= 1
            repository.add_root()
    repository.offer("acme", 2)
    repository.write()


@case("metadata_rolled_back", row=3)
def root_that_skips_a_version(repository):
    repository.add_root(version=3)


@case("metadata_rolled_back", row=3)
def root_of_the_same_version(repository):
    repository.add_root(version=1)


@case("metadata_unsigned", row=3)
def root_not_signed_by_its_own_keys(repository):
    old = repository.signers["root"]
    repository.signers["root"] = [key()]
    repository.add_root(signers=old)


@case("metadata_refused", row=4)
def endless_roots(repository):
    for _ in range(300):
        repository.add_root()
    repository.offer("acme", 2)
    repository.write()
    return "slow"


# Row 7: rollback.


@case("metadata_rolled_back", row=7)
def rolled_back_timestamp(repository):
    repository.bump("timestamp", by=-1)
    repository.write()


@case("metadata_rolled_back", row=7)
def rolled_back_snapshot(repository):
    repository.bump("timestamp")
    repository.bump("snapshot", by=-1)
    repository.write()


@each(("targets", "m-acme"), "metadata_rolled_back", row=7)
def rolled_back(repository, role):
    repository.bump("timestamp", "snapshot")
    repository.bump(role, by=-1)
    repository.write()


# Row 8: fast-forward, and the way back.


@each(("timestamp", "snapshot", "targets"), "metadata_rolled_back", row=8)
def fast_forward(repository, role):
    return ("first", role)


# Row 9: freeze.


@each(("timestamp", "snapshot", "targets", "m-acme"), "metadata_expired", row=9)
def expired(repository, role):
    repository.offer("acme", 2)
    repository.expires[role] = later(-timedelta(minutes=1))
    repository.write()


@case("metadata_expired", row=9)
def expired_root(repository):
    repository.expires["root"] = later(-timedelta(minutes=1))
    repository.add_root()
    return "kept"


@case("metadata_unknown", row=9)
def withheld_timestamp(repository):
    del repository.files["timestamp.json"]
