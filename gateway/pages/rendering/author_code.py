"""Runs the functions of page authors in threads, each with a limit and a name.

A function may block, loop, raise or return too much. Nobody but its own panel pays for that: the
event loop waits a moment for a quick one, so that its values travel with its neighbours', and never
for one that has been slow. Beyond its limit the panel says where it hangs; what is left of a
loop is interrupted, what sleeps or waits is left alone in its thread, and the function is not
called again while it runs, nor before a pause is over.
"""

import asyncio
import ctypes
import logging
import sys
import traceback
from collections.abc import Callable, Hashable
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Lock, Thread
from types import FrameType
from typing import Any
from weakref import WeakValueDictionary

from gateway.clock import Clock
from gateway.pages.authoring.loader import Mistake, find_own_line

logger = logging.getLogger(__name__)

QUICK_S = 0.01
"""The event loop waits so long for a function that was not slow before."""

PAUSE_S = 30.0
"""A function that passed its limit is tried again after so long."""

MAX_THREADS = 64
"""Beyond, nothing is started: so many functions hang already."""

Context = dict[str, Any]


class Overrun(BaseException):
    """Raised within a function that passed its limit; no `except Exception` of its own holds it."""


class _Job:
    """One run of a function."""

    def __init__(self, work: Callable[[], Context], call: "AuthorCall", clock: Clock) -> None:
        self.done = Event()
        self.context: Context | None = None
        self.call = call  # kept as long as it runs, so that nobody begins it a second time
        self.begun_s = clock.monotonic_s()
        self.took_s = 0.0
        self._clock = clock
        self._work = work

    def run(self) -> None:
        """Call the function, whatever it does."""
        try:
            self.context = self._work()
        except Overrun:
            self.context = None
        except BaseException:
            logger.exception("a panel's function ended its thread")
        self.took_s = self._clock.monotonic_s() - self.begun_s
        self.done.set()


class _Worker:
    """A thread for one call after the other; a daemon, so that none delays the end."""

    def __init__(self, release: Callable[["_Worker"], None]) -> None:
        self.is_condemned = False
        self.has_left = False
        self._lock = Lock()
        self._job: _Job | None = None
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._release = release
        self._thread = Thread(target=self._run, name="panel", daemon=True)
        self._thread.start()

    def start(self, job: _Job) -> None:
        """Run this in the thread, which is free."""
        self._job = job
        self._jobs.put(job)

    def find_frame(self) -> FrameType | None:
        """Return where the thread is now."""
        return sys._current_frames().get(self._thread.ident or 0)

    def interrupt(self) -> None:
        """Raise Overrun in a function that still runs; the thread ends with it."""
        with self._lock:
            if self._job is None or self._job.done.is_set():
                return
            self.is_condemned = True
            # The only way that CPython has to stop a loop from outside.
            raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
            raise_in_thread(ctypes.c_ulong(self._thread.ident or 0), ctypes.py_object(Overrun))

    def _run(self) -> None:
        try:
            while not self.is_condemned:
                self._jobs.get().run()
                with self._lock:
                    self._job = None
                self._release(self)
        except Overrun:  # it arrived before the function had begun, or after it had ended
            job = self._job
            if job is not None:
                job.done.set()
            self._release(self)


class AuthorCall:
    """A panel's function for one grant: what it returned last, and whether it runs now."""

    def __init__(self, owner: "AuthorCode", name: str, limit_s: float) -> None:
        self.context: Context | None = None
        """The newest outcome; None before the first."""
        self.version = 0
        self._owner = owner
        self._name = name
        self._limit_s = limit_s
        self._job: _Job | None = None
        self._worker: _Worker | None = None
        self._paused_until_s = float("-inf")
        self._is_slow = False
        self._is_overrun = False

    def begin(self, work: Callable[[], Context]) -> bool:
        """Call the function, and wait a moment for a quick one; False while that must not be."""
        now_s = self._owner.clock.monotonic_s()
        if self.is_running() or now_s < self._paused_until_s:
            return False
        worker = self._owner.take_worker()
        if worker is None:
            words = f"not called: {MAX_THREADS} functions of panels are still running"
            self._show(_describe_mistake(self._name, Mistake("the pages", None, words)))
            return False
        job = _Job(work, self, self._owner.clock)
        self._job, self._worker, self._is_overrun = job, worker, False
        worker.start(job)
        if not self._is_slow:
            job.done.wait(self._owner.quick_s)
        if self.is_running():
            self._is_slow = True
            with suppress(RuntimeError):  # without a loop whoever shows it looks
                # Also when nobody shows it any more: a loop would run for ever.
                asyncio.get_running_loop().call_later(self._limit_s, self.is_running)
        return True

    def is_running(self) -> bool:
        """Take the outcome if there is one; say whether the function still runs."""
        job, worker = self._job, self._worker
        if job is None or worker is None:
            return False
        if job.done.is_set():
            if job.context is not None and not self._is_overrun:
                self._show(job.context)
            self._is_slow = job.took_s > self._owner.quick_s
            self._job = self._worker = None
            return False
        passed_s = self._owner.clock.monotonic_s() - job.begun_s
        if not self._is_overrun and passed_s >= self._limit_s:
            self._is_overrun = True
            self._stop(worker)
        return True

    def _stop(self, worker: _Worker) -> None:
        self._paused_until_s = self._owner.clock.monotonic_s() + PAUSE_S
        frame = worker.find_frame()
        file, line = find_own_line(traceback.extract_stack(frame)) if frame else ("the pages", None)
        words = (
            f"takes longer than {self._limit_s:g} s and was stopped; it is tried again every "
            f"{PAUSE_S:g} s. What waits or computes for long belongs outside of a panel"
        )
        mistake = Mistake(file, line, words)
        logger.warning("the panel %s: %s", self._name, mistake)
        self._show(_describe_mistake(self._name, mistake))
        worker.interrupt()

    def _show(self, context: Context) -> None:
        if context != self.context:
            self.context = context
            self.version += 1


class AuthorCode:
    """All functions of panels that are called, and their threads."""

    def __init__(self, clock: Clock, quick_s: float | None = None) -> None:
        self.clock = clock
        self.quick_s = QUICK_S if quick_s is None else quick_s
        self._calls: WeakValueDictionary[Hashable, AuthorCall] = WeakValueDictionary()
        self._idle: list[_Worker] = []
        self._lock = Lock()
        self._threads = 0

    def call_of(self, key: Hashable, name: str, limit_s: float) -> AuthorCall:
        """Return the one that everybody shares who shows this."""
        found = self._calls.get(key)
        if found is None:
            found = self._calls[key] = AuthorCall(self, name, limit_s)
        return found

    def take_worker(self) -> _Worker | None:
        """Return a free thread; None when all that there may be are taken."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._threads >= MAX_THREADS:
                return None
            self._threads += 1
        return _Worker(self._release)

    def _release(self, worker: _Worker) -> None:
        with self._lock:
            if worker.is_condemned:
                self._threads -= not worker.has_left
                worker.has_left = True
            else:
                self._idle.append(worker)


def _describe_mistake(name: str, mistake: Mistake) -> Context:
    return {"html": "", "mistake": mistake, "name": name}
