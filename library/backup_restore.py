# Made by `backup_restore docs`.
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, "From Ansible".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_restore
short_description: Bring a generation of a job back
description:
  - >-
    Takes the newest generation by its id, re-reads every stored byte, checks that a pinned key signed the
    receipt, and unpacks it beside the live trees. Then it stops the job's services, exchanges the trees, and
    starts what was on.
  - >-
    If anything fails before the `after` hooks are through, the old trees go back and the services start on
    them again.
  - >-
    Compares first, metadata and contents: where everything is as the generation has it, nothing is stopped
    and nothing changes. That reads the live trees once.
  - >-
    With `mode: merge` trees stay where they are: only what differs is written, and what the generation does
    not have stays. An interruption is undone or finished, as `interrupted` or `recover` says.
  - >-
    What the job excludes is not touched: it moves over into the restored tree.
  - >-
    Dumps are loaded by the `restore` command that the job declares for them, each time; without one they are
    left as plain files in the restore folder. Runs as root.
version_added: "0.1.0"
author:
  - "Handover (!UNKNOWN)"
attributes:
  check_mode:
    description:
      - >-
        Plans what it would do and changes nothing.
    support: full
  diff_mode:
    description:
      - >-
        Returns what differs when asked to.
    support: full
options:
  action:
    description:
      - >-
        What to do.
      - >-
        V(run): Restore now.
      - >-
        V(plan): Say what run would do, item by item with `--diff`.
      - >-
        V(status): List the generations that can be restored from here.
      - >-
        V(recover): Undo or finish what an interrupted restore left, and start what it stopped; silent if
        there is nothing to do.
    type: str
    default: run
    choices:
      - run
      - plan
      - status
      - recover
  job:
    description:
      - >-
        The job by its name on this host: `shop` on its source, `web1/shop` on its sink.
      - >-
        Required with O(action=run), O(action=plan), O(action=status).
    type: str
  config:
    description:
      - >-
        Holds the job documents in `jobs/`.
    type: path
    default: "/etc/handover"
  stream:
    description:
      - >-
        Which streams.
      - >-
        V(all): Every stream of the job for which there is something to do here.
      - >-
        V(data): Application data.
      - >-
        V(logs): Log data.
    type: str
    choices:
      - all
      - data
      - logs
    default: all
  overrides:
    description:
      - >-
        For this call, settings instead of the job document's, nested as there, as `{priority: {nice: 0}}`:
        `priority`, `max_downtime`, `mail.to` and `mail.from`; of each stream `checks`, `full`, `large_file`,
        `compression_level`, `transport.bandwidth`, `transport.window` and `sink.verify_box`. What is copied
        and kept, where, by whom and for how long cannot be overridden.
    type: dict
  from:
    description:
      - >-
        Where the generation lies: `restore_folder`, `source_store`, `sink_store`, or the root of a store as
        `path:/mnt/returned/store`: there, what is damaged, unsigned or without its base is passed over for an
        older one, and said.
    type: str
    default: restore_folder
  generation:
    description:
      - >-
        `newest`, by id and never by the times of files, or the id of a generation. Or a day of UTC
        (`2026-11-20`) or a time with its zone (`2026-11-20T22:00Z`): the newest that is not after it and has
        its base.
    type: str
    default: newest
  path:
    description:
      - >-
        Restore only these, with what they hold; absolute, as they are named on the source. Dumps are left out
        then. Only what holds them is read of the generation.
    type: list
    elements: path
  target:
    description:
      - >-
        `live`: everything goes back to its place, with the services stopped for a moment. Or an empty
        directory, in which the same paths are made; nothing is stopped then and no hook runs.
    type: str
    default: live
  mode:
    description:
      - >-
        How live trees are restored. `replace`: each root is exchanged as a whole, by one that was made beside
        it. `merge`: only what differs is written, and what the generation does not have stays; for mount
        points, trees that others share, and `path`. Default: `merge` with `path`, else `replace`.
      - >-
        V(replace): Each root is exchanged as a whole.
      - >-
        V(merge): Only what differs is written.
    type: str
    choices:
      - replace
      - merge
  delete:
    description:
      - >-
        With `merge`: remove what the generation does not have, below the roots or what `path` names. What the
        job does not collect and what is mounted there stays nevertheless.
    type: bool
    default: false
  interrupted:
    description:
      - >-
        With `merge`: what `recover` does if it is cut short, within a minute. `undo`: everything as before.
        `finish`: everything as in the generation. `wait`: nothing before somebody calls `recover` with
        `finish` or `undo`; the services stay off until then.
      - >-
        V(undo): Everything as before.
      - >-
        V(finish): Everything as in the generation.
      - >-
        V(wait): Nothing, until somebody says; the services stay as they are.
    type: str
    choices:
      - undo
      - finish
      - wait
    default: undo
  compare:
    description:
      - >-
        What tells that a file is as in the generation. `contents`: it is read, and has the digest. `times`:
        its size, time of change, owner, mode and attributes are the same; it is not read, as rsync does it.
        What rotted on the disk, or was changed by somebody who set the time back, stays then as it is.
      - >-
        V(contents): Every file is read.
      - >-
        V(times): A file is read only if its time, owner or mode is another one.
    type: str
    choices:
      - contents
      - times
    default: contents
  owners:
    description:
      - >-
        Whose things are on this host. `name`: by the names of users and groups on the source, where this host
        knows them, and by number where it does not, as GNU tar does it. `number`: by number, whatever it
        means here. In ACLs, which have numbers only, a number means who has it as an owner.
      - >-
        V(name): By the name that they had on the source, if this host has it; else by number.
      - >-
        V(number): By number.
    type: str
    choices:
      - name
      - number
    default: name
  map_users:
    description:
      - >-
        Users of the source that are others here: names or numbers, as `{shop: www-data, "1005": 1006}`. It
        counts before `owners`, also in ACLs. Who is not on this host is refused before anything is changed.
    type: dict
  map_groups:
    description:
      - >-
        The same for groups.
    type: dict
  labels:
    description:
      - >-
        Whose labels of SELinux restored files have. `host`: none is written from the generation; where
        SELinux runs, `restorecon` gives live trees those that the host's policy has for them, before services
        start. `kept`: those of the source, where it had any.
      - >-
        V(host): Those that this host's policy has for their places.
      - >-
        V(kept): Those that they had on the source.
    type: str
    choices:
      - host
      - kept
    default: host
  capabilities:
    description:
      - >-
        Whether restored programs have the capabilities that they had (`kept`) or `none`.
      - >-
        V(kept): As on the source.
      - >-
        V(none): None at all.
    type: str
    choices:
      - kept
      - none
    default: kept
  allow_unsigned:
    description:
      - >-
        Restore also what no pinned key signed.
    type: bool
    default: false
  keep_old:
    description:
      - >-
        Keep the tree that was replaced, as `.<name>.before-<id>` beside the new one.
    type: bool
    default: false
  finish:
    description:
      - >-
        Bring a merge that was cut short to its end, whatever it was told when it began. Its hooks and dumps
        do not run: restore again for those.
      - >-
        Only with O(action=recover).
    type: bool
    default: false
  undo:
    description:
      - >-
        Take a merge that was cut short back, whatever it was told when it began.
      - >-
        Only with O(action=recover).
    type: bool
    default: false
"""

EXAMPLES = r"""
---
- name: Restore the newest copy in the restore folder
  backup_restore:
    job: shop

- name: Look at last week's state without touching anything
  backup_restore:
    job: shop
    from: source_store
    generation: 20261120T220000Z
    target: /srv/restored

- name: Bring one directory back into a tree that others share, and leave the rest alone
  backup_restore:
    job: shop
    path: [/srv/shop/orders]
    mode: merge

- name: Restore what the provider gave back
  backup_restore:
    job: shop
    from: path:/mnt/returned/home/dataBackupSource/store
"""

RETURN = r"""
---
msg:
  description:
    - >-
      What happened, in one line.
  returned: always
  type: str
kind:
  description:
    - >-
      The class of the failure; docs/protocol.md lists them.
  returned: failure
  type: str
hint:
  description:
    - >-
      What to do about the failure.
  returned: failure
  type: str
rc:
  description:
    - >-
      The exit status that the same call has on the command line.
  returned: failure
  type: int
job:
  description:
    - >-
      The job.
  returned: "actions run and plan, action status"
  type: str
  sample: "shop"
streams:
  description:
    - >-
      Each stream: what became of it (`planned`, `restored`, `equal`, `failed`), its generation, who signed
      it, owners who are others here or unknown, what changes in each include path, and its dumps.
  returned: actions run and plan
  type: list
  contains:
    stream:
      description:
        - >-
          `data` or `logs`.
      type: str
    fate:
      description:
        - >-
          What became of it.
      type: str
    id:
      description:
        - >-
          The generation.
      type: str
    kind:
      description:
        - >-
          Full or incremental.
      type: str
    base:
      description:
        - >-
          What an incremental differs from.
      type: dict
    digest:
      description:
        - >-
          The digest of its seal.
      type: str
    path:
      description:
        - >-
          Where it lies.
      type: str
    signed_by:
      description:
        - >-
          The sink whose pinned key signed the receipt; null if nobody did.
      type: str
    owners:
      description:
        - >-
          Owners whose numbers change, and those whose names are unknown here.
      type: list
      contains:
        of:
          description:
            - >-
              `user` or `group`.
          type: str
        name:
          description:
            - >-
              The name on the source; null if it had none, or is named by an ACL only.
          type: str
        number:
          description:
            - >-
              The number on the source.
          type: int
        becomes:
          description:
            - >-
              The number here.
          type: int
        name_here:
          description:
            - >-
              Who has that number here; null: nobody.
          type: str
    roots:
      description:
        - >-
          Each include path.
      type: list
      contains:
        path:
          description:
            - >-
              The include path.
          type: str
        paths:
          description:
            - >-
              Paths that the generation has here.
          type: int
        bytes:
          description:
            - >-
              Bytes of its files.
          type: int
        created:
          description:
            - >-
              Paths that are not there.
          type: int
        changed:
          description:
            - >-
              Paths that differ.
          type: int
        removed:
          description:
            - >-
              Paths, with all below them, that the generation does not have.
          type: int
    dumps:
      description:
        - >-
          Each dump.
      type: list
      contains:
        name:
          description:
            - >-
              The artifact.
          type: str
        loaded:
          description:
            - >-
              Whether a command of the job loads it.
          type: bool
        path:
          description:
            - >-
              Where it is as a plain file.
          type: str
  sample:
    [
      {
        "base": {
          "digest": "cae662172fd450bb0cd710a769079c05bfc5d8e35efa6576edc7d0377afdd4a2",
          "id": "20261115T220000Z"
        },
        "digest": "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf",
        "dumps": [
          {
            "loaded": false,
            "name": "dump-orders.sql.zst",
            "path": "/srv/restored/dump-orders.sql"
          }
        ],
        "fate": "restored",
        "id": "20261120T220000Z",
        "kind": "incremental",
        "owners": [
          {
            "becomes": 1003,
            "name": "shop",
            "name_here": "shop",
            "number": 1001,
            "of": "user"
          }
        ],
        "path": "/home/dataBackupSource/restore/shop/data/20261120T220000Z",
        "roots": [
          {
            "bytes": 3700000000,
            "changed": 3,
            "created": 12,
            "path": "/srv/shop",
            "paths": 187000,
            "removed": 1
          }
        ],
        "signed_by": "sink1",
        "stream": "data"
      }
    ]
target:
  description:
    - >-
      Another target than the live trees, or null.
  returned: actions run and plan
  type: str
  sample: "/srv/restored"
services:
  description:
    - >-
      What was stopped, or would be, in the order of stopping: also the units that trigger a service.
  returned: actions run and plan
  type: list
  contains:
    name:
      description:
        - >-
          Its name.
      type: str
    was_on:
      description:
        - >-
          Whether it was on before.
      type: bool
  sample: [{"name":"shop.service","was_on":true}]
recovered:
  description:
    - >-
      What an earlier, interrupted restore had left, and what was done about it.
    - >-
      Services that were started, or found on; trees that were put back or finished; rests that were removed.
  returned: "actions run and plan, action recover"
  type: list
  sample: ["put back /srv/shop"]
kept_old:
  description:
    - >-
      Where the old trees are kept.
  returned: actions run and plan
  type: list
  sample: ["/srv/.shop.before-20261120T220000Z"]
downtime_ms:
  description:
    - >-
      How long the services stood still, in milliseconds, without their own stop and start.
  returned: actions run and plan
  type: int
  sample: 4
downtime_with_services_ms:
  description:
    - >-
      How long they were away, their own stop and start included.
  returned: actions run and plan
  type: int
  sample: 2300
duration_ms:
  description:
    - >-
      How long the run took, in milliseconds.
  returned: actions run and plan
  type: int
  sample: 21000
generations:
  description:
    - >-
      Every generation within reach, newest last.
  returned: action status
  type: list
  contains:
    from:
      description:
        - >-
          `restore_folder`, `source_store` or `sink_store`.
      type: str
    stream:
      description:
        - >-
          `data` or `logs`.
      type: str
    id:
      description:
        - >-
          The generation.
      type: str
    kind:
      description:
        - >-
          Full or incremental.
      type: str
    base:
      description:
        - >-
          The base of an incremental.
      type: str
    complete:
      description:
        - >-
          Whether that base lies beside it; true for a full.
      type: bool
    receipt_of:
      description:
        - >-
          The sink that its receipt names; the signature is checked when it is restored.
      type: str
    bytes:
      description:
        - >-
          Stored bytes.
      type: int
  sample:
    [
      {
        "base": "20261115T220000Z",
        "bytes": 1200000000,
        "complete": true,
        "from": "source_store",
        "id": "20261120T220000Z",
        "kind": "incremental",
        "receipt_of": "sink1",
        "stream": "data"
      }
    ]
interrupted:
  description:
    - >-
      Whether an interrupted restore waits for `recover`.
  returned: action status
  type: bool
  sample: false
"""
