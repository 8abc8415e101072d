# Made by `backup_job docs`.
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, "From Ansible".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_job
short_description: "Start, stop, restart and terminate backup jobs"
description:
  - >-
    A job is C(active), C(stopped) or C(inactive). A job of which nothing was ever said is active.
  - >-
    Legal are stop of an active job, restart and terminate of a stopped one, start of an inactive one; start
    and restart begin an initial sync, that is, a new full. Everything else is refused with the actions that
    are legal.
  - >-
    Each host does its own side. Run it on the source (C(shop)) and on the sink (C(web1/shop)); where a host
    was down, run it there later.
  - >-
    In check mode it shows the transition and, for terminate, everything that would be deleted on this host.
    Runs as root.
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
        V(run): Bring a job into a state, if it is in another one.
      - >-
        V(status): Tell the state of a job, since when, by whom, and how far its initial sync is; of all jobs
        of this host, if none is named.
      - >-
        V(start): Begin an inactive job, with an initial sync.
      - >-
        V(stop): Stop a job: no collection, no transport, no expiry; what it keeps stays, can be verified and
        restored.
      - >-
        V(restart): Go on with a stopped job, beginning with a full.
      - >-
        V(terminate): Delete everything that a stopped job keeps on this host.
    type: str
    default: run
    choices:
      - run
      - status
      - start
      - stop
      - restart
      - terminate
  job:
    description:
      - >-
        The job by its name on this host: `shop` on its source, `web1/shop` on its sink.
    type: str
  group:
    description:
      - >-
        All jobs of this group on this host, instead of one.
    type: str
  config:
    description:
      - >-
        Holds the job documents in `jobs/`.
    type: path
    default: "/etc/handover"
  state:
    description:
      - >-
        The state.
      - >-
        V(active): Copies are made, carried, kept and expire.
      - >-
        V(stopped): Copies are kept; none is made, carried or deleted.
      - >-
        V(inactive): Nothing is kept: everything on this host is deleted, which needs confirm.
      - >-
        Required with O(action=run).
    type: str
    choices:
      - active
      - stopped
      - inactive
  confirm:
    description:
      - >-
        Repeats the name of the job, or of the group, whose copies are deleted.
    type: str
  wait:
    description:
      - >-
        How long to wait for what is under way.
    type: str
    default: "1m"
"""

EXAMPLES = r"""
---
- name: Stop a job on its source
  backup_job:
    job: shop
    state: stopped

- name: Restart every job of a group
  backup_job:
    group: shops
    action: restart

- name: See what would be deleted at the sink
  backup_job:
    job: web1/shop
    state: inactive
  check_mode: true
  diff: true

- name: Delete everything that this sink keeps of a stopped job
  backup_job:
    job: web1/shop
    state: inactive
    confirm: shop
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
jobs:
  description:
    - >-
      One entry per job, in the order of their names: `job` as it is called here, `group`, `source`, `side`
      (`source` or `sink`: what this host is to it), `before` and `state`, `since` when and `by` whom it is in
      it, the `action` that led there (null: none was needed), whether it is still `terminating` or `stopping`
      (what was under way has not ended), the actions that are `legal` now, `streams` (for each `stream` the
      `phase` of its initial sync as far as this host sees it, how each of the `phases` stands (`done`,
      `under_way`, `to_come`, or `no_work`: passed, since files have nothing to do in it), `bytes` of
      `bytes_total` and `slices` of `slices_total`, the `generation` that it makes, when it `began`, the
      `cause` of a resync, and why a `resync_required`), what the action `deleted` or would (`stream`,
      `place`, `what`, `id`, `kind`, `path`, `bytes`, `hold`, in the order of deletion) with `deleted_bytes`,
      and what it `left` because it is not the job's.
  returned: success
  type: list
  contains:
    job:
      description:
        - >-
          As it is called here.
      type: str
    group:
      description:
        - >-
          Its group.
      type: str
    source:
      description:
        - >-
          Its source.
      type: str
    side:
      description:
        - >-
          `source` or `sink`: what this host is to it.
      type: str
    before:
      description:
        - >-
          Its state before.
      type: str
    state:
      description:
        - >-
          Its state.
      type: str
    since:
      description:
        - >-
          Since when it is in it.
      type: str
    by:
      description:
        - >-
          By whom it was brought there.
      type: str
    action:
      description:
        - >-
          What led there; null: none was needed.
      type: str
    terminating:
      description:
        - >-
          Whether its copies are still being deleted.
      type: bool
    stopping:
      description:
        - >-
          Whether what was under way has not ended.
      type: bool
    legal:
      description:
        - >-
          The actions that are possible now.
      type: list
    streams:
      description:
        - >-
          For each `stream` the `phase` of its initial sync as far as this host sees it, how each of the
          `phases` stands (`done`, `under_way`, `to_come`, or `no_work`: passed, since files have nothing to
          do in it), `bytes` of `bytes_total` and `slices` of `slices_total`, the `generation` that it makes,
          when it `began`, the `cause` of a resync, and why a `resync_required`.
      type: list
    deleted:
      description:
        - >-
          What the action deleted or would, in the order of deletion.
      type: list
      contains:
        stream:
          description:
            - >-
              `data` or `logs`.
          type: str
        place:
          description:
            - >-
              Of which kind the folder is that holds it.
          type: str
        what:
          description:
            - >-
              What it is.
          type: str
        id:
          description:
            - >-
              The generation; null: it is none.
          type: str
        kind:
          description:
            - >-
              Full or incremental.
          type: str
        path:
          description:
            - >-
              Where it lies.
          type: str
        bytes:
          description:
            - >-
              Its bytes.
          type: int
        hold:
          description:
            - >-
              Why it should not expire; null: nobody holds it.
          type: str
    deleted_bytes:
      description:
        - >-
          Bytes of all that.
      type: int
    left:
      description:
        - >-
          What it left because it is not the job's.
      type: list
  sample:
    [
      {
        "action": "terminate",
        "before": "stopped",
        "by": "root",
        "deleted": [
          {
            "bytes": 5242880,
            "hold": "audit",
            "id": "20261120T220000Z",
            "kind": "full",
            "path": "/home/dataBackupSink/store/web1/shop/data/20261120T220000Z",
            "place": "sink_store",
            "stream": "data",
            "what": "generation"
          }
        ],
        "deleted_bytes": 5242880,
        "group": "default",
        "job": "web1/shop",
        "left": [],
        "legal": [
          "start"
        ],
        "side": "sink",
        "since": "2026-11-20T22:00:00Z",
        "source": "web1",
        "state": "inactive",
        "stopping": false,
        "streams": [
          {
            "began": "2026-11-20T22:00:00Z",
            "bytes": 5242880,
            "bytes_total": 5242880,
            "cause": null,
            "generation": "20261120T220000Z",
            "phase": null,
            "phases": {
              "applying": "no_work",
              "building": "to_come",
              "complete": "to_come",
              "creating_indexes": "to_come",
              "fetching_missing": "to_come",
              "starting": "to_come",
              "transferring": "to_come"
            },
            "resync_required": null,
            "slices": 1,
            "slices_total": 1,
            "stream": "data"
          }
        ],
        "terminating": false
      }
    ]
refused:
  description:
    - >-
      Of the status of all jobs: those that cannot be told of, and why; a refused document for example.
  returned: success
  type: dict
  sample: {}
"""
