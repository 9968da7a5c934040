#!/usr/bin/env python3
"""Fills the tables of a service that is not running with makers, threats and a fleet; some of their names are hostile.

The same number of terminals gives the same fleet, but for times, which are relative to now.
"""

import argparse
import hashlib
import json
import random
import sqlite3
import time

HOSTILE = [
    "<script>window.ran=1;alert(1)</script>",
    '"><img src=x onerror="window.ran=1">',
    "' autofocus onfocus='window.ran=1' x='",
    "javascript:window.ran=1//</title></style><svg onload=window.ran=1>",
    "\u202egpj.exe\u202c\u200b\ufeff \x07\x1b[2J",
    "Z" + "\u0338\u0327\u0322\u031b\u035a\u032e\u0317\u0353\u031c\u0339\u034e\u0310\u0352\u0357" * 12 + "algo",
    "W" * 190,
    "שם ארוך בעברית ﷽﷽﷽",
    "長い名前" * 15,
]
MAKERS = {"acme": ["stable", "fast"], "borealis": ["signatures"], "cantata-labs": ["mail", "web"]}
HARDWARE = ["x86_64", "x86_64", "x86_64", "aarch64", "phone", "set-top box"]
SYSTEMS = ["linux", "linux", "windows", "macos", "android"]
NAMES = ["Win.Worm.Kestrel", "Doc.Dropper.Amber", "Unix.Trojan.Lamprey", "Win.Ransom.Oxide", "Andr.Spy.Finch", "Html.Phish.Ledger"]
DAY = 86400
# Nothing with these gets into the log.
CONTROL = {code: None for code in range(32)}


def day(offset):
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() + offset * DAY))


def releases(db, dice, now):
    newest = {}
    for maker, channels in MAKERS.items():
        keys = json.dumps({"version": 1, "threshold": 1, "keys": []})
        db.execute("INSERT INTO makers (maker, keys, registered_at) VALUES (?, ?, ?)", (maker, keys, now - 90 * DAY))
        for channel in channels:
            last = dice.randint(14, 30)
            newest[f"{maker}/{channel}"] = last
            for release in range(1, last + 1):
                digest = hashlib.sha256(f"{maker}/{channel}/{release}".encode()).hexdigest()
                length = 60_000_000 + release * 31_337
                at = now - (last - release) * DAY * 2 - 5000
                row = (maker, channel, release, digest, digest, length, at, at, int(release > last - 8))
                db.execute("INSERT INTO releases VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
                # Their blobs are nowhere, so there are no names to be taken from them.
                db.execute("INSERT INTO named_releases VALUES (?, ?, ?, 1)", (maker, channel, release))
    db.execute("UPDATE releases SET listed = 0 WHERE maker = 'acme' AND name = 'fast' AND release = ?", (newest["acme/fast"] - 2,))
    db.execute("INSERT INTO withdrawn VALUES ('acme', 'fast', ?, ?)", (newest["acme/fast"] - 2, newest["acme/fast"] - 3))
    return newest


def threats(db, dice, now, newest):
    names = [f"{name}-{number}" for name in NAMES for number in range(1, 9)] + HOSTILE
    for threat in names:
        found = dice.randint(1, 60)
        danger = dice.choice(["high", "medium", "medium", "low"]) if threat not in HOSTILE else "high"
        for maker in MAKERS:
            if dice.random() < 0.25 and len(threat) < 30:
                continue
            channel = MAKERS[maker][0]
            cured = dice.random() < 0.75 and threat not in HOSTILE[:4]
            since = max(1, newest[f"{maker}/{channel}"] - dice.randint(0, 6))
            expected = day(dice.choice([-3, 2, 5])) if not cured and dice.random() < 0.5 else None
            row = (maker, threat, danger, day(-found), expected, day(-found + 1) if cured else None, channel if cured else None,
                   since if cured else None, now)
            db.execute(
                "INSERT INTO threats (maker, threat, danger, discovered, expected, vaccine_date, vaccine_name, vaccine_release,"
                " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def ties(db, dice, now, newest):
    """Other names for threats, and names of records, some of them gone again."""
    for number in range(1, 9):
        for threat in NAMES[:3]:
            other = ("acme", f"{threat}-{number}", "borealis", f"{threat.split('.')[2]}.{number}!ml")
            db.execute("INSERT INTO aliases VALUES (?, ?, ?, ?)", other)
    for text in HOSTILE:
        db.execute("INSERT INTO aliases VALUES ('acme', 'Win.Worm.Kestrel-1', 'borealis', ?)", (text,))
    for threat in NAMES:
        last = newest["acme/stable"] - 1 if dice.random() < 0.3 else None
        db.execute("INSERT INTO names VALUES ('acme', ?, 'stable', 3, ?)", (f"{threat}-1", last))


def met(db, dice, now, ids):
    for number, text in enumerate(HOSTILE + ["Elf.Miner.Unheard", "Win.Worm.Kestrel-1"]):
        for terminal in ids[number:number + dice.randint(1, 40)]:
            db.execute("INSERT INTO threat_reports (terminal, threat, at) VALUES (?, ?, ?)", (terminal, text, now - dice.randint(60, 9 * DAY)))
        if number % 2 == 0:
            db.execute("INSERT INTO asked VALUES (?, ?)", (text, now - 3600))


def rollouts(db, dice, now, newest, ids):
    rings = [{"group": "lab", "soak_minutes": 60, "reports": 5}, {"percent": 5, "soak_minutes": 240, "reports": 500},
             {"percent": 25, "soak_minutes": 240, "reports": 900}, {"percent": 100, "soak_minutes": 1440, "reports": 1}]
    policy = {"rollout": {"rings": rings, "gate": {"trouble_percent": 5, "silent_percent": 20}}}
    db.execute("INSERT INTO policies VALUES ('default', ?, ?)", (json.dumps(policy), now - DAY))
    db.execute("INSERT INTO policies VALUES ('lab', '{\"danger\": \"medium\"}', ?)", (now - DAY,))
    for terminal in ids[20:60]:
        db.execute("UPDATE terminals SET group_name = 'lab' WHERE terminal = ?", (terminal,))
    states = {"borealis/signatures": ("halted", 1, "9 of 120 terminals report trouble with it, more than 5 %"),
              "acme/stable": ("running", 1, "ring 2 of 4 is open; 36 terminals run it"),
              "cantata-labs/mail": ("running", 2, "ring 3 of 4 is open; 611 terminals run it")}
    insert = "INSERT INTO rollouts VALUES (?, ?, ?, ?, '{}', ?, ?, ?, ?, ?, ?)"
    for channel, last in newest.items():
        maker, name = channel.split("/")
        for release in range(last - 6, last + 1):
            state, ring, words = states.get(channel, ("done", 3, "")) if release == last else ("done", 3, "")
            words = words or f"{dice.randint(900, 1900)} terminals run it; it is for everybody"
            opened = now - 1200 - (last - release) * 2 * DAY
            urgent = int(channel == "cantata-labs/mail" and release == last)
            db.execute(insert, (maker, name, release, json.dumps(rings), urgent, state, ring, opened, opened - 3000, words))
            if state != "done":
                told(db, dice, now, (maker, name, release), ids[20:140], 9 if state == "halted" else 2)
    for number, text in enumerate(HOSTILE):
        hostile = json.dumps([{"group": text, "soak_minutes": 1, "reports": 1}, {"percent": 100}])
        db.execute(insert, ("acme", "fast", 900 + number, hostile, 0, "halted", 0, now - 90 * DAY, 0, text * 3))
        db.execute("INSERT INTO blocked VALUES ('acme', 'fast', ?, ?, ?)", (900 + number, text * 3, now - 90 * DAY))
    db.execute("INSERT INTO blocked VALUES ('acme', 'stable', ?, 'hangs on old processors', ?)", (newest["acme/stable"] - 3, now - 5 * DAY))


def told(db, dice, now, at, ids, troubled):
    for number, terminal in enumerate(ids):
        db.execute("INSERT INTO offers VALUES (?, ?, ?, ?, ?)", (*at, terminal, now - 1000))
        if number < troubled:
            db.execute("INSERT INTO blamed VALUES (?, ?, ?, ?, 'self_test_failed', ?)", (*at, terminal, now - 500 - number))
        elif dice.random() < 0.8:
            db.execute("INSERT OR REPLACE INTO applied VALUES (?, ?, ?, ?)", (terminal, *at))


def one_offs(db, now, ids):
    for number, text in enumerate(HOSTILE + ["debugs a scanner that is slow here"]):
        row = (ids[number], "acme", "fast", number or None, now + 5 * DAY, text, "operator:alice", now - DAY)
        db.execute("INSERT INTO one_offs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def sources(db, now):
    insert = ("INSERT INTO sources (id, maker, url, every_seconds, allow_plain, next_at, failures, last_tried, last_success, last_code,"
              " last_words) VALUES (?, ?, ?, 600, 0, ?, ?, ?, ?, ?, ?)")
    good = ("0" * 16, "borealis", "https://borealis.example/titer/", now + DAY, 0, now - 200, now - 200, "unchanged", None)
    bad = ("1" * 16, "cantata-labs", "https://cantata.example/" + "very-long-folder/" * 9, now + DAY, 7, now - 300, now - 3 * DAY,
           "answer_too_slow", "the server sent 12 bytes in 30 seconds")
    for row in [good, bad]:
        db.execute(insert, row)


def marks(db, now, ids):
    for place, column in [(100, "pending = 1"), (130, f"cloned_at = {now - 3 * DAY}"), (133, f"revoked_at = {now - 2 * DAY}")]:
        for terminal in ids[place:place + 12 if place == 100 else place + 2]:
            db.execute(f"UPDATE terminals SET {column} WHERE terminal = ?", (terminal,))
    for terminal in ids[::3]:
        db.execute("UPDATE terminals SET memory_bytes = 8589934592, features = '[\"avx2\", \"sse4.2\"]' WHERE terminal = ?", (terminal,))
    hostile = json.dumps([text for text in HOSTILE])
    db.execute("UPDATE terminals SET features = ?, wished_group = ? WHERE terminal = ?", (hostile, HOSTILE[0], ids[0]))


def audit(db, dice, now, ids):
    """A log that holds together, whatever is written in it."""
    n, previous = db.execute("SELECT n, hash FROM audit_head").fetchone()
    people = ["operator:alice", "operator:bob", "operator:(operator-token)"]
    acts = [(person, what, detail) for person in people for what, detail in [
        ("release-blocked", {"channel": "acme/stable", "release": 17, "words": "hangs on old processors"}),
        ("policy-put", {"name": "default", "policy": {"danger": "high", "pins": ["acme/stable@7"], "rollout": {"rings": []}}}),
        ("terminal-approved", {"terminal": ids[7]})]]
    acts += [("maker:acme", "release-published", {"channel": "acme/stable", "release": 24, "sha256": "ab" * 32}),
             ("service", "rollout-halted", {"at": {"channel": "borealis/signatures", "release": 26}, "words": "9 of 120 terminals"})]
    rows = [(f"terminal:{terminal}", "terminal-enrolled", {"key": "ed25519:" + "c" * 64, "digest": "d" * 64, "again": False})
            for terminal in ids[:3000]]
    rows += [dice.choice(acts) for _ in range(400)]
    rows += [(f"operator:{text}", text, {text: text, "words": text * 9}) for text in HOSTILE]
    rows += [dice.choice(acts) for _ in range(20)]
    for number, (who, what, detail) in enumerate(rows):
        n, at = n + 1, now - 40 * DAY + number * (40 * DAY // len(rows))
        who, what, detail = (text.translate(CONTROL) for text in (who, what, json.dumps(detail)))
        text = f"titer-audit-v1\n{previous}\n{n}\n{at}\n{who}\n{what}\n{detail}\n"
        digest = hashlib.sha256(text.encode()).hexdigest()
        db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?)", (n, at, who, what, detail, previous, digest))
        previous = digest
    db.execute("UPDATE audit_head SET n = ?, hash = ?", (n, previous))


def configurations(db, dice, newest):
    held = []
    designations = ["own", "any", "none", {"list": ["borealis", "acme"]}]
    for number in range(60):
        maker = dice.choice(list(MAKERS))
        channel = f"{maker}/{MAKERS[maker][0]}"
        behind = dice.choice([0] * 8 + [1, 1, 2, 3, 5, 9])
        applied = [{"channel": channel, "release": max(1, newest[channel] - behind)}]
        if dice.random() < 0.2 and len(MAKERS[maker]) > 1:
            second = f"{maker}/{MAKERS[maker][1]}"
            applied.append({"channel": second, "release": newest[second]})
        body = {"designation": dice.choice(designations), "subscribed": [channel], "applied": applied if number % 20 else []}
        text = json.dumps(body, separators=(",", ":"))
        if any(text == json.dumps(one, separators=(",", ":")) for _, one in held):
            continue
        digest = hashlib.sha256(text.encode()).hexdigest()
        held.append((db.execute("INSERT INTO configurations (sha256, body) VALUES (?, ?)", (digest, text)).lastrowid, body))
    return held


def terminals(db, dice, now, count, held):
    columns = ("terminal, public_key, counter, hardware, os, engine_version, designation, subscribed, enrolled_at, last_contact,"
               " reason, words, configuration")
    ids = []
    for number in range(count):
        digest = hashlib.sha256(f"terminal {number}".encode()).hexdigest()
        configuration, body = dice.choice(held) if dice.random() > 0.02 else (0, {"designation": "own", "subscribed": []})
        hostile = number < len(HOSTILE)
        text = HOSTILE[number] if hostile else None
        contact = now - int(dice.expovariate(1 / (0.4 * DAY))) if configuration else None
        if dice.random() < 0.03 and contact:
            contact -= dice.randint(2, 60) * DAY
        row = (digest[:32], digest, 1, text or dice.choice(HARDWARE), text or dice.choice(SYSTEMS), text or "0.1.0",
               json.dumps(body["designation"]), json.dumps(body["subscribed"]), now - 40 * DAY + number, contact,
               text or dice.choice(["current", "current", "refresh", "others_not_allowed"]), text or "the newest release is installed",
               configuration)
        ids.append(digest[:32])
        db.execute(f"INSERT INTO terminals ({columns}) VALUES ({','.join('?' * len(row))})", row)
    return ids


def reports(db, dice, now, ids):
    kinds = [("metadata_expired", "metadata"), ("self_test_failed", "self-test"), ("disk_space", "fetch"), ("answer_too_slow", "fetch")]
    insert = "INSERT INTO reports (terminal, at, outcome, generation, step, code, words) VALUES (?, ?, ?, ?, ?, ?, ?)"
    for terminal in ids:
        at = now - dice.randint(2, 30) * DAY
        db.execute(insert, (terminal, at, "installed", dice.randint(1, 9), None, None, None))
        if dice.random() < 0.06:
            code, step = dice.choice(kinds)
            words = f"{code.replace('_', ' ')}: what the terminal had to say about it"
            db.execute(insert, (terminal, now - dice.randint(0, 20 * DAY), "trouble", None, step, code, words))
    for number, text in enumerate(HOSTILE):
        db.execute(insert, (ids[number], now - 60, "trouble", None, text, text, text * 20))


def census(db, dice, now, held):
    counts = dict(db.execute("SELECT configuration, SUM(terminals) FROM configuration_counts GROUP BY configuration"))
    for hour in range(30 * 24):
        share = min(1.0, 0.25 + hour / (30 * 24) + dice.random() * 0.02)
        late = {held[0][0]: int(sum(counts.values()) * (1 - share))}
        now_then = [[key, int(count * share) + late.get(key, 0)] for key, count in counts.items()]
        db.execute("INSERT INTO census VALUES (?, ?)", (now - (30 * 24 - hour) * 3600, json.dumps(now_then)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables")
    parser.add_argument("--terminals", type=int, default=2000)
    args = parser.parse_args()
    dice, now = random.Random(7), int(time.time())
    db = sqlite3.connect(args.tables)
    newest = releases(db, dice, now)
    threats(db, dice, now, newest)
    held = configurations(db, dice, newest)
    ids = terminals(db, dice, now, args.terminals, held)
    reports(db, dice, now, ids)
    census(db, dice, now, held)
    ties(db, dice, now, newest)
    met(db, dice, now, ids)
    rollouts(db, dice, now, newest, ids)
    sources(db, now)
    one_offs(db, now, ids)
    marks(db, now, ids)
    audit(db, dice, now, ids)
    db.commit()


if __name__ == "__main__":
    main()
