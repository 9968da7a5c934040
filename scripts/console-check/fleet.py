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
    db.commit()


if __name__ == "__main__":
    main()
