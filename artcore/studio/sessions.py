"""What the server remembers of those who call it.

Gradio 6.31 keeps two copies of the whole page for each of the last ten thousand sessions, one of them for deep links,
which this page has none of; and a call of the API by HTTP is a session of its own. That was 23 ms and 0.6 MB a call.
"""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

MOST = 1000  # sessions that are remembered, and calls whose answers wait to be fetched


class Session(SessionState):
    """One visitor's: the values of gr.State, and no deep links."""

    def __init__(self, page: gr.Blocks) -> None:
        super().__init__(SimpleNamespace(default_config=page.default_config, blocks={}))

    def _update_config(self, key: int) -> None:
        pass

    def _update_value_in_config(self, key: int, value: object) -> None:
        pass


class Sessions(StateHolder):
    """Those of a page; it takes the place of what Gradio keeps."""

    def __init__(self, page: gr.Blocks) -> None:
        super().__init__()
        page.state_session_capacity = MOST
        self.set_blocks(page)
        self.calls: deque[str] = deque()  # that ended, each a session by itself

    def __getitem__(self, session: str) -> SessionState:
        if session not in self.session_data:
            self.session_data[session] = Session(self.blocks)
        return super().__getitem__(session)

    def ended(self, call: str) -> None:
        """A call of the API is over: its session is forgotten, and what was told of it after ``MOST`` further calls,
        since it may be fetched only now."""
        self.session_data.pop(call, None)
        self.time_last_used.pop(call, None)
        self.calls.append(call)
        if len(self.calls) > MOST:
            oldest, queue = self.calls.popleft(), self.blocks._queue
            queue.pending_messages_per_session.pop(oldest, None)
            queue.pending_event_ids_session.pop(oldest, None)
