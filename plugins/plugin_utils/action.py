# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.
"""What every action plugin here does: run the installed executable in one round trip, or else transfer one that fits the host."""

from __future__ import annotations

import json
import shlex
import typing as t

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.handover.backup.plugins.plugin_utils import executable, remedy

# Where the roles install. The release that lies there is asked for its own name, so that it cannot be another than the one
# that would be transferred.
INSTALLED = "/usr/local/bin"

# Exit statuses after which nothing was done: another release, not executable, not there. The host then names its processor in
# the same answer, for what will be transferred; what the executable did not read must not fill the pipe.
NOT_RUN = (86, 126, 127)
COMMAND = "{call}; rc=$?; case $rc in {not_run}) cat >/dev/null; uname -m;; esac; exit $rc"


class ExecutableAction(ActionBase):
    """Runs the executable that is named as the task's module."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Does the task; every failure of ours says what to do about it."""
        result = super().run(tmp, task_vars)
        name = self._task.action.rpartition(".")[2]
        try:
            result.update(self._work(name, task_vars or {}))
        except executable.Unavailable as problem:
            result.update(remedy.failure("missing_tool", str(problem), problem.hint))
        return result

    def _work(self, name: str, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        release = executable.release()
        # Where the task is done, which may be another host than the one that it is for.
        host = str(self._task.delegate_to or task_vars.get("inventory_hostname", "the host"))
        if self._one_round_trip():
            answer, machine = self._run_installed(name, release, host)
            if answer is not None:
                return answer
        else:
            machine = self._ask_processor()
        result = self._transfer(executable.for_processor(name, machine), task_vars)
        return remedy.for_transfer_result(name, host, machine, result)

    def _one_round_trip(self) -> bool:
        """Whether arguments can go to standard input. Some ways to become another user need a terminal there; a task that is
        asynchronous, or whose files are to be kept for a look at them, needs files."""
        become = self._connection.become
        return (
            not self._task.async_val
            and not C.DEFAULT_KEEP_REMOTE_FILES
            and self._connection.has_pipelining
            and (become is None or (become.name != "su" and getattr(become, "pipelining", True)))
        )

    def _run_installed(self, name: str, release: str, host: str) -> tuple[dict[str, t.Any] | None, str]:
        """The answer of the installed executable; or None and the host's processor where it is another release or not there."""
        path = "%s/%s" % (INSTALLED, name)
        call = "%s module - --release %s" % (path, shlex.quote(release))
        command = COMMAND.format(
            call=" ".join(filter(None, (self._compute_environment_string(), call))),
            not_run="|".join(map(str, NOT_RUN)),
        )
        done = self._low_level_execute_command(command, in_data=json.dumps(self._arguments(), default=str).encode())
        lines = done["stdout"].strip().splitlines()
        if done["rc"] in NOT_RUN:
            Display().vv("%s of release %s is not installed: it is transferred" % (name, release))
            return None, lines[-1].strip() if lines else ""
        for line in reversed(lines):
            if line.startswith("{"):
                try:
                    return json.loads(line), ""
                except ValueError:
                    break
        return remedy.no_answer(path, host, done), ""

    def _arguments(self) -> dict[str, t.Any]:
        """The task's options, and of Ansible's settings those that the executables read."""
        return {
            **self._task.args,
            "_ansible_check_mode": self._task.check_mode,
            "_ansible_diff": self._task.diff,
            "_ansible_no_log": self._task.no_log,
            "_ansible_verbosity": Display().verbosity,
        }

    def _ask_processor(self) -> str:
        # Gathered facts are of the task's host, not of the one that it is delegated to.
        return self._low_level_execute_command("uname -m", sudoable=False)["stdout"].strip()

    def _transfer(self, path, task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        # One name per processor: Ansible's loader remembers where it found a name.
        self._shared_loader_obj.module_loader.add_directory(str(path.parent))
        try:
            return self._execute_module(
                module_name="ansible.legacy.%s" % path.name,
                module_args=dict(self._task.args),
                task_vars=task_vars,
                wrap_async=bool(self._task.async_val) and not self._connection.has_native_async,
            )
        except AnsibleError as problem:
            return remedy.for_transfer_error(problem)
