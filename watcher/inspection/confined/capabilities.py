"""Capabilities that a file gives to whoever runs it, as layers have them: the extended attribute `security.capability`. Pure.

Spec: `struct vfs_cap_data` and `struct vfs_ns_cap_data` of linux/capability.h, capabilities(7); text as of cap_to_text(3).
"""

from struct import Struct

# A pax record. Go's archive/tar takes this spelling alone, so runtimes set no attribute that is written as libarchive does.
RECORD = b"SCHILY.xattr.security.capability"

# linux/capability.h, from bit 0 on.
_LIST = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service net_broadcast "
    "net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice "
    "sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm "
    "block_suspend audit_read perfmon bpf checkpoint_restore"
)
_NAMES = _LIST.split()

_HEADER, _PAIR, _ROOT = Struct("<I"), Struct("<II"), Struct("<I")
_REVISION, _EFFECTIVE = 0xFF000000, 1
# By revision: how many pairs of 32 bits, and whether the owner of a user namespace follows.
_FORMS = {0x01000000: (1, False), 0x02000000: (2, False), 0x03000000: (2, True)}


def capabilities_of(value: bytes) -> str | None:
    """`cap_net_admin,cap_net_raw=ep`: `e`ffective, `i`nheritable, `p`ermitted. Every one is named, also where all are set.

    Empty where it gives none. None for what the kernel takes for no capabilities.
    """
    if len(value) < _HEADER.size:
        return None
    (magic,) = _HEADER.unpack_from(value)
    pairs, has_root = _FORMS.get(magic & _REVISION, (0, False))
    if not pairs or len(value) != _HEADER.size + pairs * _PAIR.size + has_root * _ROOT.size:
        return None
    permitted = inheritable = 0
    for place in range(pairs):
        low, high = _PAIR.unpack_from(value, _HEADER.size + place * _PAIR.size)
        permitted |= low << 32 * place
        inheritable |= high << 32 * place
    by_flags: dict[str, list[str]] = {}
    for bit in range(64):
        flags = "i" * (inheritable >> bit & 1) + "p" * (permitted >> bit & 1)
        if flags:
            by_flags.setdefault("e" * (magic & _EFFECTIVE) + flags, []).append(_name(bit))
    clauses = [f"{','.join(names)}={flags}" for flags, names in by_flags.items()]
    root = _ROOT.unpack_from(value, len(value) - _ROOT.size)[0] if has_root else 0
    if clauses and root:
        clauses.append(f"[rootid={root}]")
    return " ".join(clauses)


def _name(bit: int) -> str:
    """As a number where it is newer than this list."""
    return f"cap_{_NAMES[bit]}" if bit < len(_NAMES) else str(bit)
