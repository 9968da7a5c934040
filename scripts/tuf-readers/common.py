"""The binary under test, and small servers on loopback."""

import json
import os
import pathlib
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Titer:
    """The binary, run in one folder with an empty home."""

    def __init__(self, binary, folder):
        self.binary = str(pathlib.Path(binary).resolve())
        self.folder = pathlib.Path(folder)
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TITER_", "XDG_"))}
        self.environment = kept | {"HOME": str(home), "NO_PROXY": "127.0.0.1"}

    def run(self, *words, code=0):
        """Runs a command that must end with this exit code, or with any when it is None."""
        command = [self.binary, *map(str, words)]
        ran = subprocess.run(
            command, check=False, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        if code is not None and ran.returncode != code:
            raise AssertionError(f"titer {' '.join(map(str, words))} ended with {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran

    def blob(self, name, channel, release, lines):
        """Compiles signatures to a blob."""
        (self.folder / f"{name}.ndb").write_text(lines)
        self.run("compile", f"{name}.ndb", "-o", f"{name}.titer", "--channel", channel, "--release", release)
        return self.folder / f"{name}.titer"

    def serve(self, data, dies_after=None):
        """Starts the service; None when it ended before it listened."""
        environment = dict(self.environment)
        if dies_after is not None:
            environment["TITER_TEST_DIES_AFTER"] = str(dies_after)
        command = [self.binary, "serve", "--data", str(data), "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        first = process.stdout.readline()
        if not first.startswith("listening at "):
            said = process.stderr.read()
            process.wait()
            assert "ends before: " in said, said
            return None
        return Service(process, first.removeprefix("listening at ").strip(), data)


class Service:
    """A running service."""

    def __init__(self, process, url, data):
        self.process, self.url, self.data = process, url, pathlib.Path(data)

    def is_alive(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it as a kill would; what it answered for must be on the disk."""
        if self.is_alive():
            self.process.kill()
        self.process.wait()


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)


class FileServer:
    """Answers from a function of method, path, headers and body that returns (status, body)."""

    def __init__(self, answer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self):
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                status, answer_body = answer(self.command, self.path.split("?")[0], self.headers, body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer_body)))
                self.end_headers()
                self.wfile.write(answer_body)

            do_GET = do_POST = reply

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def objects_of(data):
    """Answers as the service would, from the objects that a dead one left."""
    objects = pathlib.Path(data) / "objects"

    def answer(_method, path, _headers, _body):
        parts = path.strip("/").split("/")
        file = None
        if parts[0] == "metadata" and len(parts) == 2:
            file = objects / "metadata" / parts[1]
        elif parts[0] == "targets":
            file = objects / "o" / parts[-1].split(".")[0]
        if file is not None and file.is_file():
            return 200, file.read_bytes()
        return 404, b"{}"

    return answer


def loads(text):
    """The JSON lines of a text."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
