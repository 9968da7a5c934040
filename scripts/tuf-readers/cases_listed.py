"""Rows 11 to 47: parts of different states, delegations, odd names, odd documents."""

import copy
from datetime import timedelta

from tuf.api.metadata import DelegatedRole, Delegations, TargetFile, Targets

from cases import case, each
from repository import key, later, listed, signed

# Row 11: parts of different states.


def take_from_another_state(repository, role):
    repository.offer("acme", 2)
    repository.write()
    other = copy.deepcopy(repository)
    other.expires[role] = later(timedelta(days=30))
    other.write()
    file = f"{repository.versions[role]}.{role}.json"
    repository.files[file] = other.files[file]


@case("metadata_refused", row=11)
def mix_of_snapshot_and_targets(repository):
    take_from_another_state(repository, "targets")


@case("metadata_refused", row=11)
def mix_of_timestamp_and_snapshot(repository):
    take_from_another_state(repository, "snapshot")


@case("metadata_refused", "answer_too_long", row=11)
def mix_of_snapshot_and_maker(repository):
    take_from_another_state(repository, "m-acme")


# Row 12: a role that is no longer listed.


@case("metadata_rolled_back", row=12)
def snapshot_drops_a_maker(repository):
    repository.bump("snapshot", "timestamp")
    repository.unlisted.add("m-acme.json")
    repository.write()


# Rows 13 to 16: delegations.


@case("metadata_refused", row=13)
def maker_in_anothers_prefix(repository):
    repository.offer("acme", 2)

    def foreign(name, role):
        if name == "m-acme":
            there = repository.releases["best"][1]
            role.targets[there["path"]] = TargetFile.from_dict(copy.deepcopy(there["target"]), there["path"])

    repository.write(foreign)


@case("metadata_unsigned", row=14)
def makers_old_role_under_a_new_delegation(repository):
    old = repository.makers["acme"]
    repository.makers["acme"] = [key()]
    repository.bump("targets", "snapshot", "timestamp")
    repository.write(signers={"m-acme": old})


def with_role(repository, name, paths=("m/acme/*/*",), terminating=False):
    stranger = key()

    def odd(of, role):
        if of == "targets":
            role.delegations.keys[stranger.public_key.keyid] = stranger.public_key
            role.delegations.roles[name] = DelegatedRole(name, [stranger.public_key.keyid], 1, terminating, paths=list(paths))

    repository.offer("acme", 2)
    repository.write(odd)
    return stranger


@case("metadata_refused", row=15)
def delegation_cycle(repository):
    stranger = with_role(repository, "a")
    itself = Delegations(
        {stranger.public_key.keyid: stranger.public_key},
        {"a": DelegatedRole("a", [stranger.public_key.keyid], 1, False, paths=["*"])},
    )
    repository.files["1.a.json"] = data = signed(Targets(1, None, later(), {}, itself), [stranger])
    repository.relist(lambda meta: meta.update({"a.json": listed(1, data)}))
    return "rotate"


@case("metadata_refused", row=15)
def maker_that_delegates_further(repository):
    repository.offer("acme", 2)

    def further(name, role):
        if name == "m-acme":
            role.delegations = repository.delegations()

    repository.write(further)


@case(row=15)
def a_thousand_makers(repository):
    held = key()

    def many(name, role):
        if name == "targets":
            role.delegations.keys[held.public_key.keyid] = held.public_key
            for at in range(1000):
                maker = f"m-x{at}"
                paths = [f"m/x{at}/*/*"]
                role.delegations.roles[maker] = DelegatedRole(maker, [held.public_key.keyid], 1, True, paths=paths)

    repository.offer("acme", 2)
    repository.write(many)


ODD = {
    "upwards": "../../../escaped", "root": "root", "empty": "", "upper-case": "m-ACME", "device": "m-con.json", "nul": "m-a\0b",
    "slash": "m-a/b", "unicode": "m-ácme", "long": "m-" + "a" * 5000,
}


@each(ODD, "metadata_refused", row=16)
def odd_role_name(repository, which):
    with_role(repository, ODD[which])


@case("metadata_refused", row=16)
def odd_target_name(repository):
    repository.offer("acme", 2)

    def odd(name, role):
        if name == "m-acme":
            target = role.targets.pop("m/acme/main/2.titer")
            role.targets["m/acme/../../../escaped"] = target

    repository.write(odd)


@case("metadata_refused", row=16)
def delegation_beyond_its_paths(repository):
    repository.offer("acme", 2)

    def wide(name, role):
        if name == "targets":
            role.delegations.roles["m-acme"].paths = ["*"]

    repository.write(wide)


# Row 20: what the stolen keys of snapshot and timestamp are good for.


@case("metadata_unsigned", row=20)
def stolen_snapshot_and_timestamp_keys(repository):
    repository.offer("acme", 2)
    repository.write(signers={"targets": [key()], "m-acme": [key()]})


# Row 47: documents that readers may take differently.


def text(repository, file, old, new):
    repository.files[file] = repository.files[file].replace(old, new, 1)


@case("metadata_malformed", row=47)
def duplicate_json_names(repository):
    repository.offer("acme", 2)
    repository.write()
    text(repository, "timestamp.json", b'"meta": {', b'"meta": {"snapshot.json": {"version": 1}, ')


@case("metadata_malformed", row=47)
def duplicate_json_names_in_a_makers_role(repository):
    repository.offer("acme", 2)
    file = f"{repository.versions['m-acme']}.m-acme.json"
    repository.write()
    text(repository, file, b'"targets": {', b'"targets": {"m/acme/main/1.titer": {"length": 1, "hashes": {}}, ')
    repository.relist(lambda meta: meta.update({"m-acme.json": listed(repository.versions["m-acme"], repository.files[file])}))


HUGE = {"exponent": b"1e400", "over-64-bits": b"18446744073709551616", "fraction": b"2.5", "long": b"9" * 100_000, "negative": b"-1", "zero": b"0"}


@each(HUGE, "metadata_malformed", row=47)
def odd_number(repository, which):
    repository.offer("acme", 2)
    repository.write()
    version = f'"version": {repository.versions["timestamp"]}'.encode()
    at = repository.files["timestamp.json"].rindex(version)
    file = repository.files["timestamp.json"]
    repository.files["timestamp.json"] = file[:at] + b'"version": ' + HUGE[which] + file[at + len(version):]


@case("metadata_malformed", row=47)
def deep_nesting(repository):
    text(repository, "timestamp.json", b'"meta": {', b'"x": ' + b"[" * 400_000 + b"]" * 400_000 + b', "meta": {')


@case("metadata_malformed", row=47)
def not_json(repository):
    repository.files["timestamp.json"] = b"\xff\xfe\0"


@case(row=47)
def unknown_fields(repository):
    repository.offer("acme", 2)

    def more(_, role):
        role.unrecognized_fields["later"] = {"than": ["this", 1, None, True]}

    repository.write(more)
