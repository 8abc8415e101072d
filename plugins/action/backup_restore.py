# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.
"""Runs `backup_restore` on the host."""

from __future__ import annotations

from ansible_collections.handover.backup.plugins.plugin_utils.action import ExecutableAction


class ActionModule(ExecutableAction):
    """All that it does is the same for every executable."""
