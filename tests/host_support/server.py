"""ComfyUI server process on a free loopback port, with a base directory of its own; killed with its children."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from host_support.client import Client
from host_support.install import PACK, ComfyUI

PACK_FOLDER = "ComfyUI-GAN-RM"
PROBE_FOLDER = "host_probe"
PROBE_PACK = Path(__file__).resolve().parent / "probe_pack"
_FOLDERS = ("custom_nodes", "early_nodes", "input", "output", "temp", "user", "models")
_TAIL = 60  # lines of the server's log shown when something fails


class ServerFailedError(RuntimeError):
    """The server did not start, or died; the message ends with its log."""


class Server:
    """One ComfyUI process with this pack and the probe pack linked in; `with` starts and stops it.

    base: its base directory; kept on stop(), so that start() again finds its files (persistence tests)
    args: more options for main.py, e.g. ("--front-end-root", folder) or ("--disable-metadata",)
    broken_modules: top-level modules whose import fails for every pack, as if they were not installed
    """

    def __init__(
        self,
        comfyui: ComfyUI,
        base: Path,
        *,
        args: Sequence[str] = (),
        broken_modules: Sequence[str] = (),
    ) -> None:
        self.comfyui = comfyui
        self.base = base
        self.args = ["--cpu", *args]
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        for name in _FOLDERS:
            self.folder(name).mkdir(parents=True, exist_ok=True)
        for name, source in {PACK_FOLDER: PACK, PROBE_FOLDER: PROBE_PACK}.items():
            link(source, self.folder("custom_nodes") / name)
        self._break(broken_modules)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def log_path(self) -> Path:
        """The log of the latest start."""
        return self.base / f"server-{self._starts}.log"

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def folder(self, *names: str) -> Path:
        """A path in the base directory: folder("input"), folder("models", "ganrm")."""
        return self.base.joinpath(*names)

    def start(self, timeout: float = 180) -> Server:
        """Starts it and waits until it answers; at most `timeout` seconds."""
        self.port = _free_port()
        self._starts += 1
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.base,  # never the repository: there `import nodes` would find ours
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        atexit.register(self.stop)
        self._wait_until_it_answers(timeout)
        return self

    def stop(self, kill: bool = False) -> None:
        """Ends it and its children. kill: at once, as a power cut would."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        if process is None:
            return
        if not kill:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
        _kill_group(process)
        process.wait()

    def restart(self, kill: bool = False) -> Server:
        """A new server on the same base directory (and another port)."""
        self.stop(kill=kill)
        return self.start()

    def log(self) -> str:
        """All it has written since its latest start."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.is_file() else ""

    def log_tail(self) -> str:
        lines = self.log().splitlines()[-_TAIL:]
        return "\n".join([f"--- the end of the server's log ({len(lines)} lines) ---", *lines])

    def failed_imports(self) -> list[str]:
        """Folders of the packs that could not be imported."""
        # Newer servers colour their lines and begin them with the level.
        plain = re.sub(r"\x1b\[[\d;]*m", "", self.log())
        failed = re.findall(r"^(?:\[\w+\])?\s*[\d.]+ seconds \(IMPORT FAILED\): (.+)$", plain, re.MULTILINE)
        return [Path(path.strip()).name for path in failed]

    def client(self) -> Client:
        """A new client, to be used in a `with`."""
        return Client(self.address, explain=self.log_tail)

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _command(self) -> list[str]:
        command = [str(self.comfyui.python), "-u", str(self.comfyui.path / "main.py")]
        command += ["--listen", "127.0.0.1", "--port", str(self.port), "--base-directory", str(self.base)]
        command += ["--disable-auto-launch", "--disable-api-nodes", "--preview-method", "latent2rgb"]
        if self.comfyui.knows_option("--database-url"):
            # Its default lies in ComfyUI's own folder, which tests leave alone.
            command += ["--database-url", f"sqlite:///{self.folder('user', 'comfyui.db')}"]
        early = self.folder("early_nodes.yaml")
        if early.is_file():
            command += ["--extra-model-paths-config", str(early)]
        return command + self.args

    def _environment(self) -> dict[str, str]:
        wanted: dict[str, str | None] = {
            **os.environ,
            "PYTHONPATH": None,
            "PYTHONHOME": None,
            "VIRTUAL_ENV": None,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(min(4, os.cpu_count() or 1))),
            "HOST_TEST_PARENT": str(os.getpid()),
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _break(self, modules: Sequence[str]) -> None:
        # Packs load in the order the disk lists them, but the default search path comes before all others.
        if not modules:
            return
        lines = ["import sys", f"for name in {list(modules)!r}:", "    sys.modules[name] = None"]
        lines += ["NODE_CLASS_MAPPINGS = {}", ""]
        (self.folder("early_nodes") / "break_modules.py").write_text("\n".join(lines), encoding="utf-8")
        places = {"tests": {"is_default": True, "custom_nodes": str(self.folder("early_nodes"))}}
        # JSON is YAML.
        self.folder("early_nodes.yaml").write_text(json.dumps(places), encoding="utf-8")

    def _wait_until_it_answers(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise ServerFailedError(f"ComfyUI ended while starting\n{self.log_tail()}")
            try:
                with urllib.request.urlopen(f"{self.url}/system_stats", timeout=5) as answer:
                    answer.read()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        self.stop(kill=True)
        raise ServerFailedError(f"ComfyUI did not answer within {timeout:g} s\n{self.log_tail()}")


def link(source: Path, target: Path) -> None:
    """target becomes a link to source, unless it is there."""
    if not (target.is_symlink() or target.exists()):
        target.symlink_to(source)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        # The server leads a session of its own, so its group is its children and nobody else.
        os.killpg(process.pid, signal.SIGKILL)
