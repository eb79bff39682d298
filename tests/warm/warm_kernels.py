"""Starting kernels warm and cold, for the tests of warm kernels."""

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient

from fedlab.warm.provisioner import NAME, WarmProvisioner, register

COLD = "no template is called this"


def manager(template: str, folder: Path, env: dict[str, str] | None = None) -> AsyncKernelManager:
    """Return the manager of one kernel: warm from the template at this address, or cold."""
    register()
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="test",
        language="python",
        env=env or {},
        metadata={"kernel_provisioner": {"provisioner_name": NAME, "config": {"template": template}}},
    )
    # Sockets need short paths, and a name of their own in parallel tests.
    made = AsyncKernelManager(transport="ipc", connection_file=f"/tmp/fedlab-test-{os.urandom(8).hex()}.json")
    made._kernel_spec = spec
    return made


def outputs(template: str, folder: Path, *cells: str, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Execute cells in a kernel of its own and return all their outputs; say where it was not as warm as asked."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    client = NotebookClient(notebook, km=manager(template, folder, env), timeout=120, startup_timeout=120)
    client.owns_km = True  # so that it shuts the kernel down
    client.execute(cwd=str(folder))
    assert bool(WarmProvisioner.last) == (template == COLD), WarmProvisioner.last
    return [dict(output) for cell in notebook.cells for output in cell.outputs]


def printed(template: str, folder: Path, code: str, env: dict[str, str] | None = None) -> str:
    """Return what code prints in a kernel of its own."""
    return "".join(output["text"] for output in outputs(template, folder, code, env=env))
