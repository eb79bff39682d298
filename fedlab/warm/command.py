"""`fedlab warm`: warm kernels for papermill, nbval and JupyterLab."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import click

from fedlab.errors import FedlabError


@click.group()
def warm() -> None:
    """Warm kernels for other programs: papermill, nbval, nbclient, JupyterLab."""


@warm.command()
@click.option("--user", is_flag=True, help="For this user, and not in the environment that fedlab is installed in.")
def install(user: bool) -> None:
    """Make the kernel known to Jupyter: papermill -k fedlab-warm, pytest --nbval-kernel-name fedlab-warm."""
    click.echo(f"kernel   fedlab-warm is in {install_kernelspec(user)}")


def install_kernelspec(user: bool = False) -> Path:
    """Write the description of the kernel ``fedlab-warm``, of this very interpreter, and return its folder.

    Parameters
    ----------
    user : bool
        Write it for the user; by default into the environment of this interpreter.

    Raises
    ------
    FedlabError
        If the folder cannot be written, or jupyter_client does not find the provisioner.
    """
    from importlib.metadata import entry_points

    from jupyter_core.paths import jupyter_data_dir

    from fedlab.files import write_json
    from fedlab.warm.provisioner import NAME

    if not entry_points(group="jupyter_client.kernel_provisioners", name=NAME):
        raise FedlabError(
            f"the provisioner {NAME!r} is not known to jupyter_client; "
            f"install the package once: {sys.executable} -m pip install --no-deps -e . in its folder"
        )
    data = Path(jupyter_data_dir()) if user else Path(sys.prefix) / "share" / "jupyter"
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3, warm (fedlab)",
        "language": "python",
        "metadata": {"debugger": True, "kernel_provisioner": {"provisioner_name": NAME}},
    }
    try:
        write_json(data / "kernels" / NAME / "kernel.json", spec)
    except OSError as error:
        raise FedlabError(f"{data} cannot be written: {error}; choose the user's own folder with --user") from error
    return data / "kernels" / NAME


@warm.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def run(words: tuple[str, ...]) -> None:
    """Run COMMAND; all warm kernels that it starts, in however many processes, come from one template."""
    raise SystemExit(run_with_template(list(words)))


def run_with_template(words: list[str]) -> int:
    """Run a command with a template for its kernels, and return its exit status as a shell does.

    Parameters
    ----------
    words : list of str
        The command.

    Returns
    -------
    int
        128 and the signal's number where one ended it.

    Raises
    ------
    FedlabError
        If there is no such command.
    """
    from fedlab.warm.client import NotWarm, Template
    from fedlab.warm.provisioner import ADDRESS

    environment = dict(os.environ)
    template = None
    try:
        template = Template(environment)
        environment[ADDRESS] = template.address
    except NotWarm as reason:
        click.echo(f"kernels  cold, with the same results: {reason}", err=True)
    try:
        process = subprocess.Popen(words, env=environment)
        # A batch queue ends this process only; Ctrl-C reaches both, and it is the command's to say what it means.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = process.wait()
    except OSError as error:
        raise FedlabError(f"the command {words[0]!r} cannot be run: {error.strerror}") from error
    finally:
        if template is not None:
            template.close()
    return code if code >= 0 else 128 - code
