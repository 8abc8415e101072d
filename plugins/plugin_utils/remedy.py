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


KILLED = "Look into the host's log for who ended it (`journalctl -k` tells where memory was short), and repeat the task."
GARBAGE = "Run `%s --version` on the host: if it does not answer, let playbooks/site.yml install it anew. If it does, this is a defect of Handover."
FORMAT = (
    "Its `uname -m` says %s, for which this executable was built; its kernel runs something else. "
    "Let `uname -m` tell the processor that programs are run for, or take the host out of the play."
)


def failure(kind: str, message: str, hint: str) -> dict[str, t.Any]:
    """A result that says what is wrong and what to do about it; nothing was done."""
    return {"failed": True, "changed": False, "kind": kind, "msg": message, "hint": hint, "rc": EXIT_STATUS[kind]}


def no_answer(name: str, host: str, done: dict[str, t.Any]) -> dict[str, t.Any]:
    """The executable, or what should have started it, said nothing that could be understood; it may have done something."""
    status, out, err = done.get("rc", "unknown"), done.get("stdout", ""), done.get("stderr", "")
    # What a shell tells of a child that a signal ended.
    killed = isinstance(status, int) and 128 < status < 160
    how = "was killed by signal %d" % (status - 128) if killed else "ended with exit status %s" % status
    hint = "%s What was printed is in module_stdout and module_stderr." % (KILLED if killed else GARBAGE % name)
    result = failure("internal", "%s on %s %s and without a result" % (name, host, how), hint)
    result.update(changed=True, module_stdout=out, module_stderr=err)
    return result


def for_transfer_error(problem: AnsibleError) -> dict[str, t.Any]:
    """Explains what kept Ansible from transferring, where we know; what we do not know goes on."""
    if "Failed to set permissions on the temporary files" not in str(problem):
        raise problem
    return failure("permission", "the executable cannot be handed to an unprivileged user", ACL)


def for_transfer_result(name: str, host: str, machine: str, result: dict[str, t.Any]) -> dict[str, t.Any]:
    """Explains an executable that the host would not start, or that did not answer."""
    if "module_stdout" not in result:
        return result
    said = "%s%s" % (result["module_stdout"], result.get("module_stderr", ""))
    if result.get("rc") == 126 and "Permission denied" in said:
        return failure("permission", "%s does not let a transferred executable be run: %s" % (host, said.strip()), NOEXEC)
    if result.get("rc") == 126 and "Exec format error" in said:
        return failure("missing_tool", "%s cannot run the executable %s: %s" % (host, name, said.strip()), FORMAT % machine)
    done = {"rc": result.get("rc"), "stdout": result["module_stdout"], "stderr": result.get("module_stderr", "")}
    return no_answer(name, host, done)
