"""
Shuts a worker off from the machine, before it loads anything that a guest might abuse.

No way out of the sandbox is known; this is what is left of the process should there be one: a
socket to the parent, the files of its user, and no way to open another socket, start a program or
look into other processes of skilld, which keep themselves private. Leaves out namespaces and
cgroups, which are the operator's.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct

from daemon.privacy import keep_private

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522  # sets of 64 bits

_LOAD_WORD, _JUMP_IF_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # in struct seccomp_data

# Numbers on x86_64 and aarch64; None where there is no such call.
_DENIED: dict[str, tuple[int, int | None]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "io_uring_setup": (425, 425),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
}
_X32 = 0x40000000  # the same calls by other numbers, on x86_64
_MACHINES: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, tuple(number for number, _ in _DENIED.values())),
    "aarch64": (0xC00000B7, tuple(n for _, n in _DENIED.values() if n is not None)),
}


def confine(keep: int, *, open_files: int = 4096) -> str | None:
    """
    Close all descriptors but the standard ones and *keep*, drop what a worker doesn't need.

    Returns why system calls are not filtered, if they are not. Must be called by the main thread
    before any other exists.
    """
    os.closerange(3, keep)
    os.closerange(keep + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    drop_capabilities()
    keep_private()
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = open_files if hard == resource.RLIM_INFINITY else min(open_files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return _filter_system_calls(libc)


def drop_capabilities() -> None:
    """Give up what root may do beyond a user: root's workers must not see into root's parent."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    ctypes.CDLL(None).capset(header, bytes(2 * struct.calcsize("=III")))


def _filter_system_calls(libc: ctypes.CDLL) -> str | None:
    known = _MACHINES.get(platform.machine())
    if known is None:
        return f"no list of system calls for {platform.machine()}"
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return f"no_new_privs: {os.strerror(ctypes.get_errno())}"
    program = ctypes.create_string_buffer(filter_program(*known))
    # struct sock_fprog: the number of instructions of 8 bytes each, and where they are
    header = struct.pack("HxxxxxxQ", (len(program) - 1) // 8, ctypes.addressof(program))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return None


def filter_program(architecture: int, denied: tuple[int, ...]) -> bytes:
    """Return the BPF program that answers EPERM to *denied*, and to any other architecture."""
    checks = len(denied)
    lines = [
        (_LOAD_WORD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _DENY),
        (_LOAD_WORD, 0, 0, _NUMBER_AT),
        (_JUMP_FROM, checks + 1, 0, _X32),
        *(
            (_JUMP_IF_EQUAL, checks - index, 0, number)  # over the rest, and over "allow"
            for index, number in enumerate(denied)
        ),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
