"""Lines, the kept end of an output, and the launcher's marks, whatever the borders of the pieces that come."""

from __future__ import annotations

import base64
import hashlib
import hmac
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from rota_ssh.known_hosts import KnownHosts
from rota_ssh.launcher import Launch
from rota_ssh.lines import LONGEST_LINE, TAIL, Lines, Marks, Tail

pieces = st.lists(st.binary(max_size=20), max_size=20)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    borders = [0, *sorted(min(one, len(data)) for one in at), len(data)]
    return [data[start:end] for start, end in pairwise(borders)]


@settings(deadline=None)
@given(st.text(alphabet="aé\n\r€"), st.lists(st.integers(0, 100)))
def test_lines_do_not_depend_on_where_the_pieces_end(text: str, at: list[int]) -> None:
    found: list[str] = []
    lines = Lines(found.append)
    for piece in cut(text.encode(), at):
        lines.add(piece)
    lines.add(b"", last=True)
    assert found == text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")[: None if text else 0]


def test_a_line_that_never_ends_is_given_in_pieces() -> None:
    found: list[str] = []
    lines = Lines(found.append)
    for _ in range(5):
        lines.add(b"x" * LONGEST_LINE)
    lines.add(b"y\nz", last=True)
    assert "".join(found) == "x" * 5 * LONGEST_LINE + "yz"
    assert max(map(len, found)) == LONGEST_LINE


@settings(deadline=None)
@given(st.lists(st.integers(0, 3 * TAIL), max_size=6))
def test_the_end_of_an_output_is_kept(sizes: list[int]) -> None:
    tail, whole = Tail(), b""
    for number, size in enumerate(sizes):
        data = bytes([65 + number]) * size
        tail.add(data)
        whole += data
    assert tail.text == whole[-TAIL:].decode()
    assert tail.truncated == (len(whole) > TAIL)


def test_a_character_that_was_cut_is_left_out() -> None:
    tail = Tail()
    tail.add("é".encode() * TAIL + b"a")
    assert tail.text == "é" * (TAIL // 2 - 1) + "a"


@settings(deadline=None)
@given(pieces, pieces, st.lists(st.integers(0, 400)))
def test_marks_are_taken_out_wherever_they_are_cut(before: list[bytes], after: list[bytes], at: list[int]) -> None:
    launch = Launch()
    first, last = b"".join(before), b"".join(after) + launch.mark_start
    data = first + launch.mark_start + b"sudo]" + first + launch.mark_start + b"started:123]" + last
    marks, found, clean = Marks(launch), [], b""
    for piece in cut(data, at):
        rest, more = marks.add(piece)
        clean += rest
        found += more
    assert clean + marks.rest() == first + first + last
    assert found == ["sudo", "started:123"]


def test_what_only_looks_like_a_mark_is_given_in_the_end() -> None:
    launch = Launch()
    marks = Marks(launch)
    assert marks.add(b"text" + launch.mark_start[:9]) == (b"text", [])
    assert marks.rest() == launch.mark_start[:9]


def key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 8).decode()


def blobs(known: KnownHosts, name: str) -> list[int]:
    return [entry.blob[0] for entry in known.of(name).keys]


def test_known_hosts_has_names_patterns_hashes_and_exceptions() -> None:
    digest = hmac.new(b"salt", b"hidden.internal", hashlib.sha1).digest()
    hashed = f"|1|{base64.b64encode(b'salt').decode()}|{base64.b64encode(digest).decode()}"
    known = KnownHosts(
        "# a comment\n\n"
        f"Plain.internal,10.0.0.1 ssh-ed25519 {key(1)} comment\n"
        f"*.db.internal,!bad.db.internal ssh-ed25519 {key(2)}\n"
        f"[gate]:2222 ssh-rsa {key(3)}\n"
        f"{hashed} ssh-ed25519 {key(4)}\n"
        f"@cert-authority *.db.internal ssh-ed25519 {key(5)}\n"
        f"@revoked * ssh-ed25519 {key(6)}\n"
        "broken line\nplain.internal ssh-ed25519 not!base64\n"
    )
    assert blobs(known, "plain.internal") == blobs(known, "10.0.0.1") == [1]
    assert blobs(known, "a.db.internal") == [2]
    assert blobs(known, "bad.db.internal") == blobs(known, "gate") == []
    assert blobs(known, "[gate]:2222") == [3]
    assert blobs(known, "hidden.internal") == [4]
    assert [entry.blob[0] for entry in known.of("a.db.internal").authorities] == [5]
    assert known.is_revoked(bytes([6]) * 8)
    assert not known.is_revoked(bytes([1]) * 8)
