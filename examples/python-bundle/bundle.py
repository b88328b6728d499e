#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A bundle in Python: one file, nothing but the standard library.

The first part speaks the protocol (see "The bundle protocol" in the documentation); the second part, at the end, is
the DAGs. An engine runs them with the setting bundle.executable:

    perch bundles check examples/python-bundle/bundle.py
    perch standalone --set bundle.executable=examples/python-bundle/bundle.py
"""

import hashlib
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
import traceback

CODE = sys._getframe().f_code  # of this file, as it runs

# --- Triggers: what a task or a sensor can wait for. Spans are seconds here, microseconds on their way.


def micros(seconds):
    return int(seconds * 1_000_000)


def sleep_of(seconds):
    return {"kind": "time", "target": f"after {seconds} s", "due": {"after": micros(seconds)}, "definition": {}}


def file(path):
    return {"kind": "file", "target": path, "definition": {"path": path}}


def event(name, key=None):
    definition = {"name": name} if key is None else {"name": name, "key": key}
    return {"kind": "event", "target": name if key is None else f"{name}/{key}", "definition": definition}


# --- DAGs.


class DAG:
    """Tasks and sensors; each comes after those that it names, which stand before it."""

    def __init__(self, dag_id, schedule="none", **members):
        self.definition = {"dag_id": dag_id, "schedule": schedule, "tasks": [], **members}
        self.code = {}

    def _add(self, task_id, after, inputs, members):
        places = {task["task_id"]: place for place, task in enumerate(self.definition["tasks"])}
        inputs = [places[name] for name in inputs]
        upstream = sorted({places[name] for name in after} | set(inputs))
        self.definition["tasks"].append({"task_id": task_id, "upstream": upstream, "inputs": inputs, **members})

    def sensor(self, task_id, trigger, timeout, after=()):
        """A wait that never touches this process. The strings of its trigger may hold templates."""
        self._add(task_id, after, (), {"sensor": {"trigger": trigger, "timeout": micros(timeout)}})

    def task(self, task_id, after=(), inputs=(), **members):
        """A decorator: the function is given the context, and the outputs of the tasks that `inputs` names."""

        def add(function):
            self._add(task_id, after, inputs, {"operator": "python", **members})
            self.code[task_id] = function
            return function

        return add


# --- What the code of a task may throw, and what it is made to throw.


class Skip(Exception):
    """Ends the task as skipped."""


class Fail(Exception):
    """Ends the task as failed, whatever retries are left."""


class WaitTimeout(Exception):
    """The time of a wait is over."""


class Mismatch(Exception):
    """The code does not ask for what its journal holds."""


class Unwinding(BaseException):
    """No error: the code is left, to be run again from its top or not at all. Nobody has to catch it."""


class Context:
    """What the code of a task is given. Steps and waits that are over answer from the journal of the try."""

    def __init__(self, bundle, order):
        self._bundle, self._id = bundle, order["dispatch_id"]
        self.dag_id, self.run_id, self.task_id = order["dag_id"], order["run_id"], order["task_id"]
        self.try_number, self.params = order["try_number"], order["facts"].get("params", {})
        self._journal = {entry["key"]: entry for entry in order.get("journal", [])}
        self._used, self._counts, self._handlers = set(), {}, []
        self._changed = threading.Condition()
        self._recorded, self._answers = set(), {}
        self._refused, self._deferral = False, None
        self._cancel, self._is_last, self._cleans = order.get("cancel"), False, False

    # What the code calls.

    def log(self, text, level="info"):
        self._bundle.log(self._id, level, str(text))

    def step(self, name, function):
        """Does something once: its result is durable before this returns, and answers from then on."""
        key, entry = self._next(name)
        if entry is not None:
            if entry["kind"] != "step":
                raise Mismatch(f"the journal has a wait under '{key}', the code asks for a step")
            return json.loads(entry["payload"])
        if self._cancel and not self._cleans:
            raise Unwinding()
        result = function()
        self._bundle.send("step", dispatch_id=self._id, key=key, payload=encode(result), keep=False)
        with self._changed:
            self._changed.wait_for(lambda: self._refused or key in self._recorded)
        if self._refused:
            raise Unwinding()
        return result

    def wait(self, name, trigger, timeout=None):
        """Waits without holding anything: this run of the code ends here, and a later one gets the event."""
        key, entry = self._next(name)
        if entry is not None:
            known = json.loads(entry["payload"])
            is_same = known.get("kind") == trigger["kind"] and known.get("target") == trigger["target"]
            if entry["kind"] != "wait" or not is_same:
                raise Mismatch(f"the journal has something else under '{key}' than a wait for {trigger['target']}")
            outcome = entry.get("outcome") or {}
            if outcome.get("type") == "event":
                return json.loads(outcome["payload"])
            if outcome.get("type") == "timeout":
                raise WaitTimeout(f"the wait '{key}' for {trigger['target']} took too long")
            if outcome.get("type") == "broken":
                raise Fail(f"the wait '{key}' cannot end: {outcome['message']}")
            if outcome.get("type") == "cancelled":
                self._cancel = outcome
        if self._cancel or self._cleans:
            raise Unwinding()
        self._deferral = {"key": key, "trigger": trigger}
        if timeout is not None:
            self._deferral["timeout"] = micros(timeout)
        raise Unwinding()

    def sleep(self, seconds, name="sleep"):
        self.wait(name, sleep_of(seconds))

    def on_kill(self, function):
        """Called when the task is cancelled, the last one first. The task says has_on_kill=True."""
        self._handlers.append(function)

    def variable(self, name):
        return self._look_up("variable", name)

    def connection(self, name):
        """The connection's members (`conn_type`, `host`, …); None where there is none."""
        return self._look_up("connection", name)

    @property
    def is_cancelled(self):
        """For code that takes long without a step or a wait: it looks, and returns."""
        return self._cancel is not None or self._refused

    # What lies behind it.

    def _next(self, name):
        if self._refused or self._deferral:
            raise Unwinding()
        number = self._counts.get(name, 0)
        self._counts[name] = number + 1
        key = f"{name}#{number}"
        self._used.add(key)
        return key, self._journal.get(key)

    def _look_up(self, kind, name):
        if self._bundle.engine_version < 3:
            raise Fail("this engine looks nothing up for bundles")
        with self._changed:
            number = len(self._answers) + 1
            self._answers[number] = None
        self._bundle.send("look-up", dispatch_id=self._id, number=number, kind=kind, name=name)
        with self._changed:
            self._changed.wait_for(lambda: self._refused or self._answers[number] is not None)
        if self._refused:
            raise Unwinding()
        answer = self._answers[number]
        if "problem" in answer:
            raise RuntimeError(answer["problem"])
        return answer.get(kind)

    def _told(self, message):
        """The engine says something about this dispatch."""
        with self._changed:
            if message["type"] == "recorded":
                self._recorded.add(message["key"])
            elif message["type"] == "looked-up":
                self._answers[message["number"]] = message
            elif message["type"] == "refused":
                self._refused = True
            elif message["type"] == "cancel":
                self._cancel, self._is_last = self._cancel or message, message.get("is_last", False)
            self._changed.notify_all()

    def _run(self, function, inputs):
        """Runs the code. Gives the last word about the dispatch: a type of message, and its members."""
        try:
            output = function(self, *(json.loads(text) for text in inputs))
            outcome = {"outcome": "success", "output": encode(output)}
            left = [key for key, entry in self._journal.items() if key not in self._used and not entry.get("keep")]
            if left:
                raise Mismatch(f"the journal has '{left[0]}', and the code ended without asking for it")
        except Unwinding:
            outcome = {"outcome": "cancelled"}
        except Skip as skip:
            outcome = {"outcome": "skipped", "message": str(skip)}
        except Exception as error:  # because whatever the code throws is the outcome of its task
            self.log(traceback.format_exc(), "error")
            words = f"{type(error).__name__}: {error}"
            outcome = {"outcome": "failure", "message": words, "retryable": not isinstance(error, Fail)}
        if self._deferral and not self._cancel:
            if outcome["outcome"] == "cancelled":
                return "deferred", self._deferral
            words = f"the code went on after the wait '{self._deferral['key']}', which may not be caught"
            return "result", {"outcome": "failure", "message": words, "retryable": False}
        if self._cancel:
            self._cleans, self._deferral = True, None
            while self._handlers and not self._is_last and not self._refused:
                try:
                    self._handlers.pop()()
                except Exception:  # because the other handlers are to run all the same
                    self.log(traceback.format_exc(), "error")
                except Unwinding:
                    break
            outcome = {"outcome": "cancelled"}
        return "result", outcome


# --- The protocol.

VERSION, OLDEST_VERSION = 6, 1
LONGEST_FRAME = 16 << 20
LONGEST_LINE = 64 << 10


class ProtocolError(Exception):
    """The engine said what is no message, or this side was about to."""


def encode(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class Bundle:
    def __init__(self, dags, connection):
        self.dags = {dag.definition["dag_id"]: dag for dag in dags}
        self.connection, self.engine_version = connection, 0
        self.running, self.is_draining = {}, False
        self.sending, self.changing = threading.Lock(), threading.Lock()
        with open(__file__, "rb") as source:
            text = source.read()
        # A version that is not the one of the code that runs would hide the next one from the engine.
        if compile(text, __file__, "exec", dont_inherit=True) != CODE:
            sys.exit(f"{__file__} was replaced while this process started: start it again")
        self.version = hashlib.sha256(text).hexdigest()[:16]
        self.text = text.decode("utf-8")

    def send(self, type, **members):
        frame = encode({"type": type, **members}).encode("utf-8", "replace")
        if len(frame) > LONGEST_FRAME:
            raise ProtocolError(f"a '{type}' of {len(frame)} bytes; at most {LONGEST_FRAME} are allowed")
        with self.sending:
            self.connection.sendall(struct.pack(">I", len(frame)) + frame)

    def log(self, dispatch_id, level, text):
        now = time.time_ns() // 1000
        lines = [[now, level, line[:LONGEST_LINE]] for line in text.splitlines() or [""]]
        for start in range(0, len(lines), 20):
            self.send("log", dispatch_id=dispatch_id, lines=lines[start : start + 20])

    def receive(self, count):
        data = bytearray()
        while len(data) < count:
            piece = self.connection.recv(min(count - len(data), 1 << 18))
            if not piece:
                return None
            data += piece
        return bytes(data)

    def serve(self):
        """Returns when the engine hangs up."""
        threading.Thread(target=self.say_alive, daemon=True).start()
        while (header := self.receive(4)) is not None:
            (length,) = struct.unpack(">I", header)
            if length > LONGEST_FRAME:
                raise ProtocolError(f"a frame of {length} bytes; at most {LONGEST_FRAME} are allowed")
            if (frame := self.receive(length)) is None:
                return
            try:
                message = json.loads(frame.decode("utf-8"))
                if not isinstance(message["type"], str):
                    raise ProtocolError("a message whose type is no string")
                self.handle(message["type"], message)
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                raise ProtocolError(f"a frame that is no message: {type(error).__name__}: {error}") from error

    def say_alive(self):
        while True:
            time.sleep(10)
            if self.running:
                self.send("alive")

    def handle(self, type, message):
        if type == "hello":
            self.engine_version = message["protocol_version"]
            if self.engine_version < OLDEST_VERSION or message.get("oldest_version", 1) > VERSION:
                say(f"this bundle speaks versions {OLDEST_VERSION} to {VERSION} of the protocol, the engine others")
            self.send(
                "hello", protocol_version=VERSION, oldest_version=OLDEST_VERSION, bundle_version=self.version,
                pid=os.getpid())
        elif type == "describe":
            if self.engine_version >= 6:
                name = os.path.basename(__file__)
                self.send("source", path=name, text=self.text, dag_ids=list(self.dags))
            texts = [encode(dag.definition) for dag in self.dags.values()]
            self.send("described", bundle_version=self.version, dags=texts, problems=[])
        elif type == "run":
            self.start(message)
        elif type in ("recorded", "refused", "looked-up", "cancel"):
            if context := self.running.get(message["dispatch_id"]):
                context._told(message)
        elif type == "tell-ticks":
            words = "this bundle has no timetables"
            self.send("ticks", dag_id=message["dag_id"], after=message["after"], problem=words)
        elif type == "host-trigger":
            self.send(
                "trigger-failed", wait_id=message["wait_id"], run=message["run"], reason="unknown",
                message="this bundle hosts no triggers")
        elif type in ("trigger-woken", "trigger-stored", "end-trigger", "clock"):
            pass  # It hosts nothing, and its lines of logs have the machine's time.
        elif type == "drain":
            self.is_draining = True
            self.end_if_drained()
        elif type == "unknown":
            say(f"the engine did not understand '{message['message_type']}'")
        else:
            self.send("unknown", message_type=type)

    def start(self, order):
        dag = self.dags.get(order["dag_id"])
        function = dag and dag.code.get(order["task_id"])
        if not function:
            words = f"this bundle has no code for the task '{order['task_id']}' of the DAG '{order['dag_id']}'"
            return self.send(
                "result", dispatch_id=order["dispatch_id"], outcome="failure", message=words, retryable=False)
        context = Context(self, order)
        self.running[order["dispatch_id"]] = context
        threading.Thread(target=self.run, args=(context, function, order.get("inputs", [])), daemon=True).start()

    def run(self, context, function, inputs):
        type, members = context._run(function, inputs)
        sys.stdout.flush()
        try:
            self.send(type, dispatch_id=context._id, **members)
        except ProtocolError as error:
            self.send("result", dispatch_id=context._id, outcome="failure", message=str(error), retryable=False)
        with self.changing:
            del self.running[context._id]
        self.end_if_drained()

    def end_if_drained(self):
        with self.changing:
            if self.is_draining and not self.running:
                sys.stdout.flush()
                os._exit(0)


def say(text):
    print(f"bundle.py: {text}", file=sys.stderr, flush=True)


def end_everything(code):
    """Ends this process with what it has started, where it leads its own group, as it does under an engine."""
    sys.stdout.flush()
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(code)


def main(dags):
    try:
        connection = socket.socket(fileno=os.dup(0))
    except OSError:
        say("this is a bundle: an engine starts it, with a socket as its standard input (setting bundle.executable)")
        sys.exit(64)
    # The code of tasks must not read what the engine says, and what it prints is to leave at once.
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout.reconfigure(line_buffering=True)
    try:
        Bundle(dags, connection).serve()
    except ProtocolError as error:
        say(f"the engine broke the protocol: {error}")
        end_everything(1)
    except OSError as error:
        say(f"the engine is gone: {error}")
    end_everything(0)


# --- The DAGs of this bundle.

orders = DAG("python_orders", description="A file, a confirmation, a report, in Python", params={"folder": "/tmp"})
orders.sensor("landed", file("{{ params.folder }}/{{ dag_run.run_id }}.csv"), timeout=6 * 3600)


@orders.task("parse", after=["landed"])
def parse(context):
    with open(f"{context.params['folder']}/{context.run_id}.csv") as source:
        rows = source.read().splitlines()
    print(f"{len(rows)} rows")
    return rows


@orders.task("confirm", inputs=["parse"], retries=2, retry_delay=micros(1))
def confirm(context, rows):
    # Done once: after the sleep and the wait the code runs from its top again, and this answers from the journal.
    number = context.step("submit", lambda: note(context, f"submitted {len(rows)} rows"))
    context.sleep(1)
    approval = context.wait("approved", event("orders.approved", key=context.run_id), timeout=24 * 3600)
    context.log(f"approved: {approval['payload']}")
    return {"number": number, "by": approval["payload"]["by"]}


@orders.task("report", inputs=["parse", "confirm"])
def report(context, rows, confirmed):
    return note(context, f"{len(rows)} rows, number {confirmed['number']}, approved by {confirmed['by']}")


def note(context, line):
    """Adds a line to the run's report; gives how many lines it has then."""
    path = f"{context.params['folder']}/{context.run_id}.report"
    with open(path, "a") as out:
        out.write(line + "\n")
    with open(path) as written:
        return len(written.readlines())


trials = DAG("python_trials", description="For those who try the protocol: short, with a step and a wait")


@trials.task("steps")
def steps(context):
    one = context.step("one", lambda: 1)
    context.sleep(1)
    two = context.step("two", lambda: 2)
    return one + two


@trials.task("slow", has_on_kill=True, kill_timeout=micros(5))
def slow(context):
    context.on_kill(lambda: context.step("cleaned", lambda: True))
    while not context.is_cancelled:
        time.sleep(0.02)


@trials.task("skips")
def skips(context):
    raise Skip("not today")


if __name__ == "__main__":
    main([orders, trials])
