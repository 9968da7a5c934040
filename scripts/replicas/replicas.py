"""Two replicas under load, one of them killed again and again: nothing that was answered for is lost, and no version is signed twice."""

import argparse
import collections
import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from common import Titer, loads
from parts import Balancer, Terminal, Watcher, fetch
from readers import Readers
from tuf.api.exceptions import DownloadError

TERMINALS, AGENTS, MAKERS = 6, 2, ("acme", "best")


class Replica:
    """A process of the service, with a folder of its own."""

    def __init__(self, world, name):
        self.world, self.name, self.data = world, name, world.folder / name
        self.process, self.log = None, open(world.folder / f"{name}.log", "ab")

    def start(self):
        words = ["serve", "--data", self.data, "--listen", "127.0.0.1:0", "--objects", f"{os.environ['TITER_TEST_S3']}/replicas"]
        # Few terminals ask as fast as they are answered, from one address: budgets are not what is tested here.
        words += ["--terminal-rate", "1000000", "--address-rate", "1000000"]
        environment = self.world.titer.environment | {"TITER_DATABASE": os.environ["TITER_TEST_POSTGRES"]}
        self.process = subprocess.Popen(
            [self.world.titer.binary, *map(str, words)], env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        first = self.process.stdout.readline()
        if not first.startswith("listening at "):
            return False
        self.url = first.split()[-1]
        self.world.balancer.ports[self.name] = int(self.url.rstrip("/").rsplit(":", 1)[1])
        return True

    def start_again(self):
        """Until it works: the tables may be away."""
        late = time.monotonic() + 90
        while not self.start():
            assert time.monotonic() < late, f"{self.name} does not start: see its log"
            self.process.wait()
            time.sleep(0.5)

    def kill(self):
        self.process.kill()
        self.process.wait()


class World:
    def __init__(self, titer, folder):
        self.titer, self.folder, self.balancer = titer, folder, Balancer()
        self.over, self.faults = threading.Event(), []
        self.published, self.refused, self.updates, self.reads, self.retried = {}, 0, 0, 0, 0
        self.failed_updates = collections.Counter()
        self.replicas = [Replica(self, "one"), Replica(self, "two")]
        self.watcher = Watcher()

    def operator(self, *words):
        token = self.folder / "one/operator-token"
        return self.titer.run("admin", *words, "--service", self.balancer.url, "--operator-token", token).stdout.strip()

    def set_up(self):
        one, two = self.replicas
        assert one.start(), "it does not start"
        shutil.copytree(one.data / "keys", two.data / "keys")
        shutil.copy(one.data / "operator-token", two.data / "operator-token")
        assert two.start(), "the second does not start"
        for maker in MAKERS:
            self.titer.run("maker", "init", maker, "--dir", maker)
            token = ["--operator-token", self.folder / "one/operator-token"]
            self.titer.run("maker", "register", "--dir", maker, "--service", self.balancer.url, *token)
        self.terminals = [Terminal(self.balancer.url, self.operator("enrolment-token")) for _ in range(TERMINALS)]
        (self.folder / "clean").mkdir()
        for number in range(AGENTS):
            token = self.operator("enrolment-token")
            channels = [word for maker in MAKERS for word in ("--channel", f"{maker}/main")]
            where = ["--service", self.balancer.url, "--token", token, "--clean-from", self.folder / "clean"]
            self.titer.run("agent", "enroll", "--state", f"agent-{number}", *where, *channels)

    def work(self, step):
        """Does `step` until it is over; what it throws is a fault of the service."""

        def go():
            try:
                while not self.over.is_set():
                    step()
            except Exception as fault:  # Told of at the end, by whoever waits.
                self.faults.append(fault)
                self.over.set()

        thread = threading.Thread(target=go, daemon=True)
        thread.start()
        return thread

    def publish(self, maker):
        release = self.published.get(maker, 0) + 1
        if not (self.folder / f"{maker}-{release}.titer").exists():
            lines = f"Test.{maker}-{release}:0:*:6e65{release:08x}6c65\n"
            blob = self.titer.blob(f"{maker}-{release}", f"{maker}/main", release, lines)
            self.titer.run("maker", "release", blob, "--dir", maker)
        ran = self.titer.run("maker", "publish", "--dir", maker, "--service", self.balancer.url, code=None)
        if ran.returncode == 0:
            self.published[maker] = release
        else:
            self.refused += 1
            time.sleep(0.2)

    def update(self, number):
        ran = self.titer.run("agent", "update", "--state", f"agent-{number}", code=None)
        self.updates += ran.returncode == 0
        if ran.returncode != 0:
            assert "panicked" not in ran.stderr, ran.stderr
            codes = re.findall(r"\(([a-z0-9_]+)\)", ran.stderr + ran.stdout) or [ran.stdout + ran.stderr + f"exit code {ran.returncode}"]
            self.failed_updates[codes[-1]] += 1
        time.sleep(0.5)

    def read(self, readers):
        paths = [f"m/{maker}/main/{release}.titer" for maker, release in dict(self.published).items()]
        if self.reads % 5 == 0:
            readers.fresh("new", self.first_root)
        for name in ("new", "old"):
            try:
                found = readers.python(name, self.balancer.url, paths)
            except DownloadError:
                # Nobody answered, or the answer broke off. Everything else is a fault.
                self.retried += 1
                time.sleep(0.2)
                continue
            missing = [path for path in paths if found[path] is None]
            assert not missing, f"python-tuf does not find {missing}, which was acknowledged"
            self.reads += 1

    def look(self):
        for replica in self.replicas:
            self.watcher.look(replica.url)
        time.sleep(0.05)

    def kill(self, seconds, every):
        """Kills one after the other; PostgreSQL once, in the middle, or later when a start waited long for the lease. Returns how often."""
        began, kills, restarted = time.monotonic(), 0, False
        while (time.monotonic() - began < seconds or not restarted) and not self.over.wait(every):
            if not restarted and time.monotonic() - began > seconds / 2:
                subprocess.run([os.environ["TITER_TEST_POSTGRES_RESTART"]], check=True, timeout=60)
                restarted = True
                continue
            victim = self.replicas[kills % 2]
            victim.kill()
            kills += 1
            victim.start_again()
        return kills


def rows(query):
    command = [os.environ["TITER_TEST_POSTGRES_PSQL"], os.environ["TITER_TEST_POSTGRES"], "--csv", "--tuples-only", "-c", query]
    return list(csv.reader(io.StringIO(subprocess.run(command, check=True, capture_output=True, text=True).stdout)))


def check(world):
    """Everything that was answered for is in the tables, and what readers see is what they say."""
    releases = {(maker, int(release)) for maker, release in rows("SELECT maker, release FROM releases")}
    for maker, newest in world.published.items():
        missing = [release for release in range(1, newest + 1) if (maker, release) not in releases]
        assert not missing, f"{maker} {missing} was acknowledged and is not in the tables"
    reports = {tuple(row) for row in rows("SELECT terminal, code FROM reports")}
    terminals = {name: (int(counter), engine) for name, counter, engine in rows("SELECT terminal, counter, engine_version FROM terminals")}
    twice = rows("SELECT terminal, code, COUNT(*) FROM reports WHERE step = 'test' GROUP BY terminal, code HAVING COUNT(*) > 1")
    assert not twice, f"taken twice: {twice}"
    for terminal in world.terminals:
        missing = [code for code in terminal.acknowledged if (terminal.name, code) not in reports]
        assert not missing, f"{terminal.name}: {missing} was acknowledged and is not in the tables"
        assert terminals[terminal.name][0] >= terminal.checked_in, f"{terminal.name}: an acknowledged check-in is lost"
    signed = rows("SELECT role, version, encode(sha256(body), 'hex') FROM metadata ORDER BY role, version")
    for role, version, digest in signed:
        assert world.watcher.seen.get((role, int(version)), digest) == digest, f"{role} {version}: readers saw something else"
        file = "timestamp.json" if role == "timestamp" else f"{version}.{role}.json"
        for replica in world.replicas:
            status, data = fetch(f"{replica.url}metadata/{file}")
            assert status == 200, (file, status)
            world.watcher.compare(role, int(version), data)
    return len(signed)


def converge(world):
    """Every agent runs the newest of every maker."""
    for number in range(AGENTS):
        for _ in range(3):
            world.titer.run("agent", "update", "--state", f"agent-{number}")
        status = loads(world.titer.run("agent", "status", "--state", f"agent-{number}", "--json").stdout)[0]
        text = json.dumps(status)
        for maker, release in world.published.items():
            runs = {channel["channel"]: channel["release"] for channel in status["channels"]}
            assert runs.get(f"{maker}/main") == release, text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--titer", required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--every", type=float, default=4)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titer-replicas-") as scratch:
        scratch = pathlib.Path(scratch)
        world = World(Titer(args.titer, scratch / "world"), scratch / "world")
        try:
            tell(world, scratch, args)
        except BaseException:
            for replica in world.replicas:
                print(f"--> {replica.name}\n{(world.folder / f'{replica.name}.log').read_text()[-3000:]}", file=sys.stderr)
            raise
        finally:
            for replica in world.replicas:
                if replica.process:
                    replica.kill()


def tell(world, scratch, args):
    world.set_up()
    _, world.first_root = fetch(world.balancer.url + "metadata/1.root.json")
    readers = Readers(scratch / "clients", None)
    readers.fresh("old", world.first_root)
    threads = [world.work(lambda maker=maker: world.publish(maker)) for maker in MAKERS]
    threads += [world.work(terminal.step) for terminal in world.terminals]
    threads += [world.work(lambda number=number: world.update(number)) for number in range(AGENTS)]
    threads += [world.work(lambda: world.read(readers)), world.work(world.look)]
    kills = world.kill(args.seconds, args.every)
    world.over.set()
    for thread in threads:
        thread.join(timeout=180)
        assert not thread.is_alive(), "a worker does not end"
    if world.faults:
        raise world.faults[0]
    for maker in MAKERS:
        # What was on its way when it was over.
        world.titer.run("maker", "publish", "--dir", maker, "--service", world.balancer.url)
        newest = len(list(world.folder.glob(f"{maker}-*.titer")))
        world.published[maker] = newest
    versions = check(world)
    converge(world)
    check_ins = sum(terminal.check_ins for terminal in world.terminals)
    acknowledged = sum(len(terminal.acknowledged) for terminal in world.terminals)
    lost = sum(terminal.lost for terminal in world.terminals)
    print(f"{kills} kills, PostgreSQL restarted once, in {args.seconds:.0f} s")
    print(f"check-ins acknowledged {check_ins}, reports acknowledged {acknowledged}, all in the tables; {lost} requests unanswered or failed")
    releases = ", ".join(f"{maker} {release}" for maker, release in world.published.items())
    print(f"releases acknowledged: {releases}, all in the tables; {world.refused} publications tried again")
    print(f"versions signed {versions} in the tables, {len(world.watcher.seen)} seen by {world.watcher.looks} looks: none with two contents")
    print(
        f"agents: {world.updates} updates, {world.failed_updates.total()} failed and were tried again "
        f"({', '.join(f'{code} {count}' for code, count in world.failed_updates.items()) or 'none'}); all run the newest"
    )
    print(f"python-tuf: {world.reads} reads, every acknowledged release found every time; {world.retried} cut off and tried again")
    assert min(check_ins, acknowledged, world.updates, world.reads, world.watcher.looks, kills) > 0, "too little happened"
    assert all(release > 1 for release in world.published.values()), "too little was published"


if __name__ == "__main__":
    main()
