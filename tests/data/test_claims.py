"""Claims: one holder at a time, and what the dead leave behind is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from reenact import claims
from reenact.claims import try_claim, wait_for_claim


@pytest.fixture
def path(tmp_path):
    return tmp_path / "clip.claim"


def other_process(path):
    """A process that holds a claim until it is killed."""
    script = f"""
import time
from pathlib import Path
from reenact.claims import try_claim
with try_claim(Path({str(path)!r})) as held:
    print(held, flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "True\n"
    return process


def test_one_holds_it(path):
    with try_claim(path) as held, try_claim(path) as again:
        assert (held, again) == (True, False)
    assert not list(path.parent.iterdir())
    with try_claim(path) as held:
        assert held


def test_what_a_killed_process_held_is_free_at_once(path):
    process = other_process(path)
    with try_claim(path) as held:
        assert not held
    process.send_signal(signal.SIGKILL)
    process.wait()
    with try_claim(path) as held:
        assert held
    assert not list(path.parent.iterdir())


def test_another_machines_claim_expires_with_its_last_sign_of_life(path, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(claims, "_identify_machine", lambda: "another")
        assert claims._create_claim(path, "theirs")
    with try_claim(path) as held:
        assert not held
    late = time.time() - claims.LEASE - 1
    os.utime(path, (late, late))
    with try_claim(path) as held:
        assert held


def test_a_claim_of_which_nothing_was_written_expires_too(path):
    path.touch()
    with try_claim(path) as held:
        assert not held
    late = time.time() - claims.LEASE - 1
    os.utime(path, (late, late))
    with try_claim(path) as held:
        assert held


def test_who_lost_it_does_not_remove_the_new_holders(path):
    with try_claim(path) as held:
        assert held
        path.unlink()
        assert claims._create_claim(path, "theirs")
    assert path.exists()


def test_a_held_claim_is_touched(path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    monkeypatch.setattr(claims, "_hearts", {})
    with try_claim(path):
        os.utime(path, (1, 1))
        end = time.monotonic() + 20
        while path.stat().st_mtime == 1 and time.monotonic() < end:
            time.sleep(0.02)
        assert path.stat().st_mtime > 1


def test_locks_take_turns(path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with wait_for_claim(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 80


def test_a_lock_that_never_comes_free(path):
    with (
        try_claim(path),
        pytest.raises(TimeoutError, match=r"clip\.claim is held by another process"),
        wait_for_claim(path, 0.05),
    ):
        pass
