"""Container logs: what kubectl's options select, from files as conmon writes them."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.adapters.real.tail import _backwards, read_log
from roost.node.logs import LogOptions, Selection, parse_entry, parse_options, tail_offset


def line(text: str, *, second=0, stream="stdout", tag="F") -> bytes:
    return f"2026-01-01T00:00:{second:02}.000000001Z {stream} {tag} {text}".encode()


LINES = [line("one", second=1), line("two", second=2, stream="stderr"), line("three", second=3)]
START = 1767225600.0


def show(**options) -> bytes:
    return Selection(LogOptions(**options)).feed(LINES)


def test_text_comes_without_its_frame():
    assert show() == b"one\ntwo\nthree\n"


def test_timestamps_are_the_ones_written():
    assert show(timestamps=True).startswith(b"2026-01-01T00:00:01.000000001Z one\n")


def test_since_and_stream():
    assert show(since=START + 2) == b"two\nthree\n"
    assert show(stream="Stderr") == b"two\n"


def test_the_byte_limit_cuts_in_the_middle_and_ends():
    selection = Selection(LogOptions(limit_bytes=5))
    assert selection.feed(LINES[:1]) == b"one\n"
    assert not selection.done
    assert selection.feed(LINES[1:]) == b"t"
    assert selection.done


def test_partial_entries_are_one_line():
    lines = [line("a", tag="P"), line("x", stream="stderr"), line("b", tag="P"), line("c")]
    assert Selection(LogOptions()).feed(lines) == b"ax\nbc\n"
    stamped = Selection(LogOptions(timestamps=True, stream="Stdout")).feed(lines)
    assert stamped == b"2026-01-01T00:00:00.000000001Z abc\n"


def test_a_torn_line_is_left_out():
    assert parse_entry(b"2026-01-01T00:0") is None
    assert Selection(LogOptions()).feed([b"2026-01", line("x")]) == b"x\n"


@given(
    st.lists(st.tuples(st.text("ab", max_size=4), st.booleans()), max_size=12),
    st.integers(0, 14),
)
def test_the_last_lines_are_found_from_the_end(texts, count):
    entries = [line(text, tag="P" if partial else "F") for text, partial in texts]
    if entries:
        entries[-1] = line("end")
    content = b"".join(entry + b"\n" for entry in entries)
    start = tail_offset(_backwards(io.BufferedReader(io.BytesIO(content)), len(content)), count)
    tail = b"" if start < 0 else content[start:]
    shown = Selection(LogOptions()).feed(tail.split(b"\n"))
    everything = Selection(LogOptions()).feed(content.split(b"\n"))
    assert shown.splitlines() == everything.splitlines()[-count:] if count else shown == b""


def read(paths, options, is_running=lambda: False) -> bytes:
    async def run() -> bytes:
        return b"".join([piece async for piece in read_log(paths, options, is_running)])

    return asyncio.run(run())


def test_rotated_files_are_one_log(tmp_path: Path):
    old, new = tmp_path / "0.log.1", tmp_path / "0.log"
    old.write_bytes(LINES[0] + b"\n")
    new.write_bytes(b"\n".join(LINES[1:]) + b"\n")
    assert read([str(old), str(new)], LogOptions()) == b"one\ntwo\nthree\n"
    assert read([str(old), str(new)], LogOptions(tail_lines=1)) == b"three\n"


def test_following_crosses_a_rotation_and_ends_with_the_container(tmp_path: Path):
    path = tmp_path / "0.log"
    path.write_bytes(LINES[0] + b"\n")
    steps = iter(
        [
            lambda: path.open("ab").write(LINES[1] + b"\n"),
            lambda: (path.rename(tmp_path / "old"), path.write_bytes(LINES[2] + b"\n")),
        ]
    )

    def is_running() -> bool:
        step = next(steps, None)
        if step is not None:
            step()
        return step is not None

    shown = read([str(path)], LogOptions(follow=True), is_running)
    assert shown == b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"tailLines": "x"}, "tailLines"),
        ({"tailLines": "-1"}, "at least 0"),
        ({"limitBytes": "0"}, "at least 1"),
        ({"sinceSeconds": "0"}, "at least 1"),
        ({"stream": "Both"}, "Stdout"),
    ],
)
def test_bad_options_are_refused_by_name(query, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_options(query, 0.0)


def test_options_of_a_request():
    query = {"follow": "true", "tailLines": "5", "sinceTime": "2026-01-01T00:00:02.123456789Z"}
    found = parse_options(query, 0.0)
    assert found.follow
    assert found.tail_lines == 5
    assert found.since == pytest.approx(START + 2.123456)
