"""python-tuf and tuf-js read a repository of the real service: as it is, killed between any two steps of a publication, of a change of root
and of a withdrawal, and while makers' keys change. Every read is done by a client that begins anew and by one that has followed so far."""

import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater, UpdaterConfig
from tuf.ngclient.fetcher import FetcherInterface

from common import Titer, copy, objects_of


class Files(FetcherInterface):
    """Fetches from the objects of a service that is not running."""

    def __init__(self, data):
        self.answer = objects_of(data)

    def _fetch(self, url):
        status, body = self.answer("GET", url.split("://", 1)[1].split("/", 1)[1], {}, b"")
        if status != 200:
            raise DownloadHTTPError("there is no such file", status)
        return iter([body])


class Readers:
    """Clients of both kinds, in folders of their own."""

    def __init__(self, folder, js):
        self.folder, self.js, self.reads = pathlib.Path(folder), js, 0

    def fresh(self, name, root):
        """Client folders that trust `root` and nothing else."""
        for kind in ("py", "js"):
            metadata = self.folder / name / kind / "metadata"
            shutil.rmtree(metadata, ignore_errors=True)
            metadata.mkdir(parents=True)
            (metadata / "root.json").write_bytes(root)

    def python(self, name, base, paths, fetcher=None):
        folder = self.folder / name / "py"
        targets = folder / "targets"
        shutil.rmtree(targets, ignore_errors=True)
        targets.mkdir(parents=True)
        updater = Updater(
            str(folder / "metadata"), f"{base}metadata/", str(targets), f"{base}targets/", fetcher, UpdaterConfig(), bootstrap=None
        )
        updater.refresh()
        found = {}
        for path in paths:
            target = updater.get_targetinfo(path)
            if target is not None:
                file = updater.download_target(target, str(targets / path.replace("/", "-")))
                found[path] = hashlib.sha256(pathlib.Path(file).read_bytes()).hexdigest()
            else:
                found[path] = None
        self.reads += 1
        return found

    def javascript(self, name, base, paths):
        script = pathlib.Path(__file__).with_name("read.mjs")
        folder = self.folder / name / "js"
        shutil.rmtree(folder / "targets", ignore_errors=True)
        command = ["node", str(script), str(self.js), base, str(folder), *paths]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        if ran.returncode != 0:
            raise AssertionError(f"tuf-js: {ran.stderr}")
        self.reads += 1
        return json.loads(ran.stdout)

    def check(self, name, base, *allowed):
        """Both kinds read one of the allowed states, a path to a digest or None each."""
        paths = sorted(allowed[0])
        states = [self.python(name, base, paths)]
        if self.js:
            states.append(self.javascript(name, base, paths))
        for state in states:
            assert state in allowed, f"{name} reads {state}, of {allowed}"

    def check_dead(self, name, data, *allowed):
        """The same for a service that is not running, by python-tuf alone."""
        state = self.python(name, "dead://objects/", sorted(allowed[0]), Files(data))
        assert state in allowed, f"{name} reads {state} after a kill, of {allowed}"


class World:
    """A service with two makers in a folder."""

    def __init__(self, titer, readers):
        self.titer, self.readers = titer, readers
        self.folder = titer.folder
        self.data = self.folder / "service"
        self.service = None
        self.published = {}

    def start(self, dies_after=None):
        self.service = self.titer.serve(self.data, dies_after)
        return self.service is not None

    def stop(self):
        if self.service is not None:
            self.service.stop()

    def operator(self):
        return ["--service", self.service.url, "--operator-token", self.data / "operator-token"]

    def release(self, maker, release):
        blob = self.titer.blob(f"{maker}-{release}", f"{maker}/main", release, f"Test.{maker}-{release}:0:*:6e65{release:08x}6c65\n")
        words = self.folder / "changes.txt"
        words.write_text(f"what is new in {release}\n")
        self.titer.run("maker", "release", blob, "--dir", maker, "--document", words)
        document = f"m/{maker}/main/{release}.changes.txt.document"
        self.published[document] = hashlib.sha256(words.read_bytes()).hexdigest()
        self.published[f"m/{maker}/main/{release}.titer"] = hashlib.sha256(blob.read_bytes()).hexdigest()

    def publish(self, maker, code=0):
        return self.titer.run("maker", "publish", "--dir", maker, "--service", self.service.url, code=code)

    def first_root(self):
        return (self.data / "objects/metadata/1.root.json").read_bytes()

    def read_all(self, *allowed):
        """By clients that begin anew and by those that have followed."""
        allowed = allowed or (self.published,)
        self.readers.fresh("new", self.first_root())
        for name in ("new", "old"):
            self.readers.check(name, self.service.url, *allowed)

    def killed_everywhere(self, what, act, before, after):
        """Does `act`, with the service killed before each of its steps in turn. What can be read is then the state before or the one after,
        with the service dead and with it running again; after one more try it is the one after."""
        self.stop()
        template = self.folder.with_name("template")
        copy(self.folder, template)
        clients = self.readers.folder.with_name("clients-template")
        copy(self.readers.folder, clients)
        steps = 0
        while True:
            copy(template, self.folder)
            copy(clients, self.readers.folder)
            if self.start(steps):
                if act(code=None).returncode == 0 and self.service.is_alive():
                    break
                # A process that ends itself takes a moment to be gone.
                self.service.process.wait(timeout=60)
            self.readers.fresh("new", self.first_root() if self.has_root() else self.root_of(template))
            if self.has_root():
                for name in ("new", "old"):
                    self.readers.check_dead(name, self.data, before, after)
            assert self.start(), "it does not start again"
            self.read_all(before, after)
            act(code=0)
            self.read_all(after)
            self.stop()
            steps += 1
        self.stop()
        assert self.start()
        self.read_all(after)
        print(f"{what}: killed before each of {steps} steps, readable at every one")
        assert steps >= 15, "too few steps were seen for this to mean anything"

    def has_root(self):
        return (self.data / "objects/metadata/1.root.json").is_file()

    @staticmethod
    def root_of(folder):
        return (folder / "service/objects/metadata/1.root.json").read_bytes()


def rotate_root(world):
    """Root from 1 of 1 to 2 of 3, with new keys for timestamp and snapshot as well."""
    titer, url = world.titer, world.service.url
    keys = [titer.run("root", "init", "--key", f"holder-{n}.pk8").stdout.split()[-1] for n in (2, 3)]
    spare = {role: titer.run("admin", "role-key", role, *world.operator()).stdout.strip() for role in ("timestamp", "snapshot")}
    current = world.folder / "1.root.json"
    current.write_bytes(world.first_root())
    words = [f"--add=root={key}" for key in keys] + [f"--replace={role}={key}" for role, key in spare.items()]
    titer.run("root", "rotate", current, "-o", "2.root.json", "--threshold", "root=2", *words)
    titer.run("admin", "root", "2.root.json", *world.operator(), code=2)
    for key in ("holder-2.pk8", "service/root-keys/root.pk8"):
        titer.run("root", "sign", "2.root.json", "--from", current, "--key", key)
    assert url == world.service.url


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--titer", required=True)
    parser.add_argument("--js", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titer-readers-") as scratch:
        scratch = pathlib.Path(scratch)
        readers = Readers(scratch / "clients", args.js)
        world = World(Titer(args.titer, scratch / "world"), readers)
        try:
            tell(world, readers)
        finally:
            world.stop()
    print(f"{readers.reads} reads by {'python-tuf and tuf-js' if args.js else 'python-tuf'}: every target, every time")
    return 0


def tell(world, readers):
    titer = world.titer
    assert world.start()
    for maker in ("acme", "best"):
        titer.run("maker", "init", maker, "--dir", maker)
        titer.run("maker", "register", "--dir", maker, *world.operator())
    readers.fresh("old", world.first_root())
    for maker, release in (("acme", 1), ("best", 1), ("acme", 2)):
        world.release(maker, release)
        world.publish(maker)
        world.read_all()

    before = dict(world.published)
    world.release("acme", 3)
    before["m/acme/main/3.titer"] = None
    before["m/acme/main/3.changes.txt.document"] = None
    world.killed_everywhere("publication", lambda code: world.publish("acme", code), before, world.published)

    rotate_root(world)
    put_root = lambda code: titer.run("admin", "root", "2.root.json", *world.operator(), code=code)
    world.killed_everywhere("root from 1 of 1 to 2 of 3", put_root, world.published, world.published)
    for kind in ("py", "js") if readers.js else ("py",):
        # python-tuf keeps a link to the newest.
        root = json.loads((readers.folder / "old" / kind / "metadata/root.json").read_text())["signed"]
        assert (root["version"], root["roles"]["root"]["threshold"]) == (2, 2), f"{kind} did not follow root"

    titer.run("maker", "withdraw", "acme/main", "3", "--dir", "acme")
    before = dict(world.published)
    world.published["m/acme/main/3.titer"] = None
    world.published["m/acme/main/3.changes.txt.document"] = None
    world.killed_everywhere("withdrawal", lambda code: world.publish("acme", code), before, world.published)

    titer.run("maker", "rotate", "--dir", "best")
    world.killed_everywhere("change of a maker's key", lambda code: world.publish("best", code), world.published, world.published)
    world.release("best", 2)
    world.publish("best")
    world.read_all()


if __name__ == "__main__":
    sys.exit(main())
