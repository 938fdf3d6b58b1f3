"""A tree with everything a file system can hold against a backup, and its independent judge."""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
import tempfile
from pathlib import Path

GIB = 1 << 30
NAMES = [
    b"new\nline",
    b"back\\slash\\n\\101",
    b"quotes\"'`",
    b"-leading-dash",
    b"--checkpoint-action=exec=false",
    b"@file",
    b" blanks ",
    b"tab\t",
    b"[bold]markup[bold]",
    b"\x1b[31mred\x1b]0;title\x07",
    b"\x7f\x01\x02",
    b"not-utf8-\xff\xfe\x80",
    "ünïcode-☃-\u202ertl".encode(),
    b"*",
    b"?",
    b"[a-z]",
    b"{fd:secret}",
    b"%s",
    b"x" * 255,
    b"...",
    b".hidden",
]
SIZES = [0, 1, 511, 512, 513, 4095, 4096, 10239, 10240, 262143, 262144, 3 << 20]
MOMENTS = [
    -1_234_567_890_123_456_789,  # 1930
    -1,
    0,
    1_700_000_000_000_000_001,
    1_700_000_000_999_999_999,
    4_102_444_800_123_456_789,  # 2100
]


def build(root: Path) -> None:
    """Fill root, an empty directory of a file system with ACLs and xattrs; as root."""
    names = root / "names"
    names.mkdir()
    for index, name in enumerate(map(os.fsdecode, NAMES)):
        (names / name).write_text(f"{index}\n")
        (names / f"d{name[:200]}").mkdir()
        (names / f"l{index}").symlink_to(name)
    contents = root / "contents"
    contents.mkdir()
    for size in SIZES:
        (contents / f"size-{size}").write_bytes(os.urandom(size))
    _sparse(root)
    _attributes(root)
    _kinds(root)
    _deep(root)
    _times(root)
    subprocess.run(["setfacl", "-m", "u:33:rwx,d:g:44:rx", root], check=True)
    os.setxattr(root, "user.of-the-root", b"itself")
    os.chown(root, 4_000_000_000, 65534)
    root.chmod(0o2770)
    os.utime(root, ns=(MOMENTS[3], MOMENTS[0]))


def _sparse(root: Path) -> None:
    folder = root / "sparse"
    folder.mkdir()
    with (folder / "a-gigabyte").open("wb") as stream:
        stream.truncate(GIB)
        for offset in (0, GIB // 2 - 7, GIB - 5):
            stream.seek(offset)
            stream.write(b"data!")
    with (folder / "only-a-hole").open("wb") as stream:
        stream.truncate(GIB)
    (folder / "zeros-not-sparse").write_bytes(bytes(1 << 20))


def _attributes(root: Path) -> None:
    folder = root / "attributes"
    folder.mkdir()
    modes = {"setuid": 0o4755, "setgid": 0o2755, "none": 0, "all": 0o7777, "readonly": 0o444}
    for name, mode in modes.items():
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
    owners = [(65534, 65534), (4_000_000_000, 3_999_999_999), (0, 2_097_152), (1000, 0)]
    for uid, gid in owners:
        path = folder / f"owner-{uid}-{gid}"
        path.write_text("x")
        os.chown(path, uid, gid)
    link = folder / "owned-link"
    link.symlink_to("nowhere")
    os.chown(link, 1234, 5678, follow_symlinks=False)
    access = folder / "acl"
    access.write_text("x")
    subprocess.run(["setfacl", "-m", "u:65534:rw,g:4000000000:x,m::rwx", access], check=True)
    folder_acl = folder / "acl-folder"
    folder_acl.mkdir()
    subprocess.run(["setfacl", "-m", "d:u:33:rwx,d:o::---,u:34:x", folder_acl], check=True)
    (folder_acl / "child").write_text("x")
    extra = folder / "xattrs"
    extra.write_text("x")
    os.setxattr(extra, "user.binary", bytes(range(256)))
    os.setxattr(extra, "user.empty", b"")
    os.setxattr(extra, "user.name with = and\nnewline", b"=\n")
    os.setxattr(extra, "trusted.secret", b"for root")
    os.setxattr(folder_acl, "trusted.of-a-folder", b"x")
    program = folder / "capable"
    program.write_bytes(Path("/bin/true").read_bytes())
    program.chmod(0o755)
    os.chown(program, 1000, 1000)
    # cap_chown and cap_net_raw, permitted and effective, as setcap writes them.
    os.setxattr(program, "security.capability", struct.pack("<5I", 0x02000001, 0x2001, 0, 0, 0))
    sticky = folder / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    locked = folder / "locked"
    (locked / "inside").mkdir(parents=True)
    (locked / "inside" / "file").write_text("x")
    (locked / "inside").chmod(0)
    locked.chmod(0)


def _kinds(root: Path) -> None:
    folder = root / "kinds"
    folder.mkdir()
    os.mkfifo(folder / "fifo", 0o640)
    os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(folder / "block", 0o600 | stat.S_IFBLK, os.makedev(7, 200))
    for name, target in {
        "dangling": "no/such/thing",
        "absolute": "/etc/passwd",
        "upwards": "../../../../etc",
        "itself": "itself",
        "long": "y" * 4095,
        "not-utf8": os.fsdecode(b"\xff\xfe"),
    }.items():
        (folder / name).symlink_to(target)
    for index in range(5):
        os.link(root / "contents" / "size-4096", folder / f"hard-{index}")
    os.link(root / "attributes" / "setuid", folder / "hard-setuid")
    os.link(folder / "dangling", folder / "hard-symlink")
    (folder / "empty").mkdir()


def _deep(root: Path) -> None:
    path = root / "deep"
    path.mkdir()
    while len(os.fsencode(path)) + 2 * 251 < 4000:
        path = path / ("d" * 250)
        path.mkdir()
    (path / "leaf").write_text("deep")
    many = root / "many-levels" / "/".join(["a"] * 150)
    many.mkdir(parents=True)
    (many / "leaf").write_text("far down")


def _times(root: Path) -> None:
    folder = root / "times"
    folder.mkdir()
    for index, moment in enumerate(MOMENTS):
        path = folder / f"at-{index}"
        path.write_text("x")
        os.utime(path, ns=(MOMENTS[3], moment))
    link = folder / "link"
    link.symlink_to("at-0")
    os.utime(link, ns=(MOMENTS[3], MOMENTS[4]), follow_symlinks=False)
    os.utime(folder, ns=(MOMENTS[3], MOMENTS[1]))


def add_socket(root: Path) -> None:
    """A socket: the one thing no archive keeps. Bound by a short path, then moved."""
    with tempfile.TemporaryDirectory(dir=root.parent.parent) as short:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"{short}/s")
        Path(short, "s").rename(root / "socket")


def differences(one: Path, other: Path, *exclude: str) -> list[str]:
    """What rsync would change in `other` to make it equal to `one`: contents by checksum, names,
    owners, modes, times to the nanosecond, ACLs, xattrs, hard links, devices."""
    done = subprocess.run(
        [
            *("rsync", "-aHAXn", "--numeric-ids", "--checksum", "--delete", "--modify-window=-1"),
            *("--itemize-changes", "--8-bit-output"),
            *(f"--exclude={pattern}" for pattern in exclude),
            *(f"{one}/", f"{other}/"),
        ],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode("utf-8", "backslashreplace").splitlines()
