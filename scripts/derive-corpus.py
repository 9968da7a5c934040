#!/usr/bin/env python3
"""Derives the `.ndb` files of corpus/signatures from logical signatures of the same makers.

    scripts/derive-corpus.py SRC_DIR OUT_DIR [--clean PATH... [--titer PROGRAM]]

SRC_DIR holds one folder for each maker with its `.ldb` files (or `.ldb.xz`) and its licence; OUT_DIR gets `MAKER.ndb` and
`LICENSE.MAKER`. Titer reads no logical signatures yet, so each gives one body signature: its longest subsignature that is plain
hex (no offset, no modifier, no expression) and has 16 fixed bytes in a row, under the name `NAME.subK`, for any file, at any offset.
A part says less than the whole: signatures that match anything under the PATHs of `--clean`, which must be harmless, are dropped,
and so are those that another signature repeats.
"""

import argparse
import json
import lzma
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MAKERS = ["ditekshen", "mandiant", "twinclams"]
FIXED_RUN_BYTES_MIN = 16
# Hex digits, nibbles, gaps and alternatives; what `titer compile` refuses is left to it to name.
PLAIN = re.compile(r"(?:[0-9a-fA-F?]|\*|\{\d*-?\d*\}|!?\([0-9a-fA-F?|]+\))+")
FIXED_RUN = re.compile(r"(?:[0-9a-fA-F]{2})+")


def fixed_run_bytes(subsignature):
    """Length in bytes of the longest run of fixed bytes outside alternatives."""
    bare = re.sub(r"!?\([^)]*\)|\{[^}]*\}", "*", subsignature)
    return max((len(run) // 2 for run in FIXED_RUN.findall(bare)), default=0)


def derive(line):
    """The body signature of one logical signature, or None."""
    fields = line.split(";")
    if len(fields) < 4:
        return None
    name, subsignatures = fields[0], fields[3:]
    plain = [(len(text), -k, text) for k, text in enumerate(subsignatures)
             if PLAIN.fullmatch(text) and fixed_run_bytes(text) >= FIXED_RUN_BYTES_MIN]
    if not plain:
        return None
    _, k, text = max(plain)
    return f"{name}.sub{-k}", text.lower()


def logical_signatures(folder):
    for path in sorted(folder.glob("*.ldb*")):
        opened = lzma.open(path, "rt") if path.suffix == ".xz" else open(path)
        with opened as lines:
            yield from (line.rstrip("\r\n") for line in lines if not line.startswith("#"))


def matching_names(titer, signatures, paths):
    """Names of the signatures that `titer scan` finds anywhere under `paths`."""
    with tempfile.NamedTemporaryFile("w", suffix=".ndb") as file:
        file.writelines(f"{name}:0:*:{text}\n" for name, text in signatures)
        file.flush()
        command = [titer, "scan", "--json", "--all-matches", "--signatures", file.name, "--", *paths]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode not in (0, 1, 2):
        sys.exit(f"{titer} ended with status {done.returncode}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return {event["signature"] for event in events if event["type"] == "match"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=pathlib.Path, metavar="SRC_DIR")
    parser.add_argument("out", type=pathlib.Path, metavar="OUT_DIR")
    parser.add_argument("--clean", nargs="+", default=[], metavar="PATH", help="harmless files and folders")
    parser.add_argument("--titer", default="titer", metavar="PROGRAM", help="scanner for --clean (default: titer)")
    arguments = parser.parse_args()

    seen = set()
    for maker in MAKERS:
        lines = list(logical_signatures(arguments.source / maker))
        signatures = []
        for signature in map(derive, lines):
            if signature and signature[1] not in seen:
                seen.add(signature[1])
                signatures.append(signature)
        dropped = matching_names(arguments.titer, signatures, arguments.clean) if arguments.clean else set()
        kept = [f"{name}:0:*:{text}\n" for name, text in signatures if name not in dropped]
        (arguments.out / f"{maker}.ndb").write_text("".join(kept))
        licence = next((arguments.source / maker).glob("LICENSE*"))
        shutil.copyfile(licence, arguments.out / f"LICENSE.{maker}")
        print(f"{maker}: {len(lines)} logical signatures, {len(signatures)} derived, "
              f"{len(dropped)} dropped for matching clean files, {len(kept)} kept")


if __name__ == "__main__":
    main()
