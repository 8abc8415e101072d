# Made by `backup_rotate docs`.
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, "From Ansible".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_rotate
short_description: Delete generations that the retention policy does not keep
description:
  - >-
    Applies the job's retention to the source's own store or, on a sink, to what is kept for a source.
  - >-
    Only verified copies count. The last verified copy, with its base, is never deleted; at a sink neither is
    anything younger than C(protect).
  - >-
    A sink's deletion relies on other copies. Those are re-read first if that was not done lately, within
    C(verify_box); otherwise the deletion is postponed.
  - >-
    Of a stopped job nothing is deleted. On a sink its copies are re-read instead, each once in
    C(verify_max_age), for C(verify_box) at most; damage is mailed.
  - >-
    In check mode it says what would be done with every generation, and why.
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
        V(run): Delete what the policy does not keep. Of a stopped job nothing: on a sink its copies are
        re-read.
      - >-
        V(plan): Show what run would do, with the reasons for every generation.
      - >-
        V(status): List what is kept.
    type: str
    default: run
    choices:
      - run
      - plan
      - status
  job:
    description:
      - >-
        The job by its name on this host: `shop` on its source, `web1/shop` on its sink.
    type: str
    required: true
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
  stopped:
    description:
      - >-
        Do nothing unless the job is stopped: for cron, which then has the copies re-read that no transport
        looks at any more.
    type: bool
    default: false
"""

EXAMPLES = r"""
---
- name: Rotate what this sink keeps for web1
  backup_rotate:
    job: web1/shop

- name: See what rotation would do on the source, and why
  backup_rotate:
    job: shop
    stream: data
  check_mode: true
  diff: true
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
kept:
  description:
    - >-
      How many generations stay because something keeps them.
  returned: actions run and plan
  type: int
  sample: 1
expired:
  description:
    - >-
      How many were deleted.
  returned: actions run and plan
  type: int
  sample: 1
postponed:
  description:
    - >-
      How many are superfluous and stay until what their deletion relies on was re-read.
  returned: actions run and plan
  type: int
  sample: 0
bytes_freed:
  description:
    - >-
      Bytes that were freed.
  returned: actions run and plan
  type: int
  sample: 5242880
stores:
  description:
    - >-
      One entry per stream: `stream`, `path`, whether it is `missing`, `generations` (with `id`, `kind`,
      `bytes`, `verdict`, `reasons` and `relies_on` each, oldest first), `deleted` (ids in the order of
      deletion), `reread` (what was re-read because a deletion relies on it, or because the job is stopped),
      `waiting` (what must still be re-read, before more can be deleted), `damaged` (what that found), `rests`
      (partials that were removed) and `oddities` (what is neither a generation nor known).
  returned: actions run and plan
  type: list
  contains:
    stream:
      description:
        - >-
          `data` or `logs`.
      type: str
    path:
      description:
        - >-
          Where the store lies.
      type: str
    missing:
      description:
        - >-
          Whether there is none.
      type: bool
    generations:
      description:
        - >-
          Each generation, oldest first.
      type: list
      contains:
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
        bytes:
          description:
            - >-
              Its stored bytes.
          type: int
        verdict:
          description:
            - >-
              `keep`, `expire` or `postpone`.
          type: str
        reasons:
          description:
            - >-
              Why.
          type: list
        relies_on:
          description:
            - >-
              The copies on which its deletion relies.
          type: list
    deleted:
      description:
        - >-
          Ids, in the order of deletion.
      type: list
    reread:
      description:
        - >-
          What was re-read because a deletion relies on it, or because the job is stopped.
      type: list
    waiting:
      description:
        - >-
          What must still be re-read before more can be deleted.
      type: list
    damaged:
      description:
        - >-
          What re-reading found damaged.
      type: list
    rests:
      description:
        - >-
          Partials that were removed.
      type: list
    oddities:
      description:
        - >-
          What is neither a generation nor known.
      type: list
  sample:
    [
      {
        "damaged": [],
        "deleted": [
          "20261017T220000Z"
        ],
        "generations": [
          {
            "bytes": 5242880,
            "id": "20261017T220000Z",
            "kind": "full",
            "reasons": [
              "no rule keeps it"
            ],
            "relies_on": [
              "20261120T220000Z"
            ],
            "verdict": "expire"
          },
          {
            "bytes": 5242880,
            "id": "20261120T220000Z",
            "kind": "full",
            "reasons": [
              "generations: number 1 of the newest 7"
            ],
            "relies_on": [],
            "verdict": "keep"
          }
        ],
        "missing": false,
        "oddities": [],
        "path": "/home/dataBackupSink/store/web1/shop/data",
        "reread": [
          "20261120T220000Z"
        ],
        "rests": [],
        "stream": "data",
        "waiting": []
      }
    ]
listings:
  description:
    - >-
      One entry per stream: `stream`, `path`, `generations` (oldest first: `id`, `kind`, `base`, `label`,
      `bytes`, `received_at`, `verified_at`, `checked_at`, `intact`, `hold` and `receipt_ignored`), `partials`
      and `oddities`.
  returned: action status
  type: list
  contains:
    stream:
      description:
        - >-
          `data` or `logs`.
      type: str
    path:
      description:
        - >-
          Where the store lies.
      type: str
    generations:
      description:
        - >-
          Each generation, oldest first.
      type: list
      contains:
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
          type: str
        label:
          description:
            - >-
              Its name, if it was made besides the schedule.
          type: str
        bytes:
          description:
            - >-
              Its stored bytes.
          type: int
        received_at:
          description:
            - >-
              When it arrived at the sink.
          type: str
        verified_at:
          description:
            - >-
              When its digests were re-read there.
          type: str
        checked_at:
          description:
            - >-
              When they were last re-read here.
          type: str
        intact:
          description:
            - >-
              What that found.
          type: bool
        hold:
          description:
            - >-
              Why it must not expire.
          type: str
        receipt_ignored:
          description:
            - >-
              Why its receipt does not count.
          type: str
    partials:
      description:
        - >-
          What is not sealed.
      type: list
    oddities:
      description:
        - >-
          What is neither a generation nor known.
      type: list
  sample:
    [
      {
        "generations": [
          {
            "base": null,
            "bytes": 5242880,
            "checked_at": "2026-11-21T04:00:00Z",
            "hold": "audit",
            "id": "20261119T220000Z",
            "intact": true,
            "kind": "full",
            "label": "before-upgrade",
            "receipt_ignored": "it is of another generation",
            "received_at": null,
            "verified_at": null
          },
          {
            "base": "20261119T220000Z",
            "bytes": 5242880,
            "checked_at": "2026-11-21T04:00:00Z",
            "hold": null,
            "id": "20261120T220000Z",
            "intact": true,
            "kind": "incremental",
            "label": null,
            "receipt_ignored": null,
            "received_at": "2026-11-20T23:00:04Z",
            "verified_at": "2026-11-20T23:00:09Z"
          }
        ],
        "oddities": [],
        "partials": [],
        "path": "/home/dataBackupSink/store/web1/shop/data",
        "stream": "data"
      }
    ]
"""
