"""A kernel client that waits for a kernel no longer than it takes."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient


class PromptClient(AsyncKernelClient):
    """Takes a kernel as ready when it has said that it is idle again, where its base waits 0.2 s for more to come."""

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until the kernel answers and its messages arrive.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default as long as the kernel lives.

        Raises
        ------
        RuntimeError
            If the kernel dies, or the time is over.
        """
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            self.kernel_info()
            try:
                reply: dict[str, Any] = await self.get_shell_msg(timeout=1)
            except Empty:
                pass
            else:
                # To this request or, where the kernel is slow to start, an earlier one; answers to the rest may yet
                # come, and are known by what they answer.
                if await self._idle(reply["parent_header"].get("msg_id")):
                    self._handle_kernel_info_reply(reply)
                    return
            if not await self.is_alive():
                raise RuntimeError("Kernel died before replying to kernel_info")
            if time.monotonic() > end:
                raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    async def _idle(self, asked: str | None) -> bool:
        """Wait for the message by which a kernel ends a request: it is the request's last."""
        try:
            while True:
                said = await self.get_iopub_msg(timeout=0.2)
                if said["parent_header"].get("msg_id") == asked and said["content"].get("execution_state") == "idle":
                    return True
        except Empty:
            # The kernel had spoken before this client was heard to listen: ask again.
            return False
