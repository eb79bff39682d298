"""The kernel provisioner: jupyter_client asks it for kernels, it forks them from a template where it can."""

from __future__ import annotations

import asyncio
import atexit
import os
import subprocess
import sys
import threading
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from traitlets import Unicode

from fedlab.warm.client import NotWarm, Template, WarmProcess, fork_kernel

NAME = "fedlab-warm"
# Set by `fedlab warm`: the template that the programs it starts share.
ADDRESS = "FEDLAB_TEMPLATE"


class WarmProvisioner(LocalProvisioner):
    """Forks a kernel from a template; starts it cold, as jupyter_client does, where that is not possible.

    Attributes
    ----------
    template : str
        The template's address; by default what `FEDLAB_TEMPLATE` in the environment says, else a template
        of this process, started with the first kernel.
    last : str
        Why the last kernel of this process was cold; empty where it was warm.
    """

    template: str = Unicode("", config=True)  # type: ignore[assignment]
    last: ClassVar[str] = ""

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch a kernel with a command."""
        env = kwargs["env"]
        address = self.template or env.get(ADDRESS) or ""
        try:
            kernel = await asyncio.to_thread(_fork, address, cmd, kwargs)
        except NotWarm as reason:
            WarmProvisioner.last = str(reason)
            self.log.info("the kernel is cold: %s", reason)
            return await self.launch_cold(cmd, **kwargs)
        WarmProvisioner.last = ""
        self.process = kernel  # type: ignore[assignment]  # as good as a Popen here
        self.pid = self.pgid = kernel.pid
        self.cwd = kwargs.get("cwd") or Path.cwd()
        return self.connection_info

    async def launch_cold(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Launch a kernel as jupyter_client does."""
        return await super().launch_kernel(cmd, **kwargs)

    async def shutdown_requested(self, restart: bool = False) -> None:
        """Give a kernel that was asked to end half a second to do so: its manager looks again after 0.1 s only."""
        for _ in range(250):
            if not isinstance(self.process, WarmProcess) or self.process.poll() is not None:
                break
            await asyncio.sleep(0.002)

    async def wait(self) -> int | None:
        """Wait for the kernel's end, looking more often than a cold kernel's slower end is worth."""
        while isinstance(self.process, WarmProcess) and self.process.poll() is None:
            await asyncio.sleep(0.005)
        return await super().wait()


def _fork(address: str, cmd: list[str], kwargs: dict[str, Any]) -> WarmProcess:
    """Fork a kernel from the template at an address, or from this process's own."""
    if kwargs.get("independent") or kwargs.get("stdin") is not None:
        raise NotWarm("a kernel that outlives its manager, or reads from it, is not forked")
    env = {name: value for name, value in kwargs["env"].items() if name != ADDRESS}
    env["JPY_PARENT_PID"] = str(os.getpid())
    cwd = str(Path(kwargs.get("cwd") or ".").resolve())
    with Path(os.devnull).open("wb") as nothing:
        places = [_handle(kwargs.get(name), own, nothing.fileno()) for name, own in (("stdout", 1), ("stderr", 2))]
        if address:
            return fork_kernel(address, cmd, env, cwd, *places)
        return OWN.fork(cmd, env, cwd, *places)


def _handle(asked: Any, own: int, nothing: int) -> int:
    """Return the open file that a `subprocess` argument means."""
    if asked is None:
        return own
    if asked == subprocess.DEVNULL:
        return nothing
    if isinstance(asked, int) and asked >= 0:
        return asked
    if hasattr(asked, "fileno"):
        return int(asked.fileno())
    raise NotWarm("what a kernel prints can go to an open file only")


def register(name: str = NAME, provisioner: type[WarmProvisioner] = WarmProvisioner) -> None:
    """Make jupyter_client find the provisioner of this very package, installed or not.

    A package that is installed is found by its entry point; one that only `PYTHONPATH` names is not.
    """
    place = f"{provisioner.__module__}:{provisioner.__qualname__}"
    factory = KernelProvisionerFactory.instance()
    factory.provisioners[name] = EntryPoint(name, place, factory.GROUP_NAME)


class _Own:
    """The template of this process: started with the first kernel, and anew when files that it imported change."""

    def __init__(self) -> None:
        self._template: Template | None = None
        self._lock = threading.Lock()

    def fork(self, cmd: list[str], env: dict[str, str], cwd: str, output: int, errors: int) -> WarmProcess:
        if cmd[:1] != [sys.executable]:
            raise NotWarm(f"the kernel is not of {sys.executable}")
        with self._lock:
            if self._template is None or self._template.process.poll() is not None:
                self.close()
                self._template = Template(env)
                atexit.register(self.close)
            template = self._template
        try:
            return fork_kernel(template.address, cmd, env, cwd, output, errors)
        except NotWarm as reason:
            if "changed" in str(reason):
                with self._lock:
                    if self._template is template:
                        self._retire()
            raise

    def _retire(self) -> None:
        """Leave a template to its kernels: it ends with this process."""
        self._template = None

    def close(self) -> None:
        if self._template is not None:
            self._template.close()
            self._template = None


OWN = _Own()
