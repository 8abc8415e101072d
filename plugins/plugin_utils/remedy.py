# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.
"""Failures before or around an executable's own, in the form of its own: kind, message, hint, exit status (docs/protocol.md)."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleError

EXIT_STATUS = {"internal": 1, "permission": 5, "missing_tool": 6}

NOEXEC = (
    "The file system of `remote_tmp` may be mounted with noexec: set ansible_remote_tmp to a folder from which programs can be run, "
    "or let the role backup_source or backup_sink install the executables."
)
ACL = (
    "Install the package acl on the host, log in or become root instead, "
    "or let the role backup_source or backup_sink install the executables: then nothing is transferred."
)


def failure(kind: str, message: str, hint: str) -> dict[str, t.Any]:
    """A result that says what is wrong and what to do about it; nothing was done."""
    return {"failed": True, "changed": False, "kind": kind, "msg": message, "hint": hint, "rc": EXIT_STATUS[kind]}


def no_answer(name: str, done: dict[str, t.Any]) -> dict[str, t.Any]:
    """The installed executable, or what should have started it, said nothing that could be understood; it may have done something."""
    result = failure(
        "internal",
        "%s ended with exit status %s and without a result" % (name, done["rc"]),
        "What it printed is in module_stdout and module_stderr.",
    )
    result.update(changed=True, module_stdout=done["stdout"], module_stderr=done.get("stderr", ""))
    return result


def for_transfer_error(problem: AnsibleError) -> dict[str, t.Any]:
    """Explains what kept Ansible from transferring, where we know; what we do not know goes on."""
    if "Failed to set permissions on the temporary files" not in str(problem):
        raise problem
    return failure("permission", "the executable cannot be handed to an unprivileged user", ACL)


def for_transfer_result(result: dict[str, t.Any]) -> dict[str, t.Any]:
    """Explains an executable that the host would not start."""
    said = "%s%s" % (result.get("module_stdout", ""), result.get("module_stderr", ""))
    if result.get("rc") == 126 and "Permission denied" in said:
        return failure("permission", "the host does not let a transferred executable be run: %s" % said.strip(), NOEXEC)
    return result
