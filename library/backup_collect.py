# Made by `backup_collect docs`.
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, "From Ansible".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_collect
short_description: "Collect a generation of a job's data and logs"
description:
  - >-
    Stops the job's services, reads what changed since the warm passes, starts them again, and seals a
    generation per stream into the handover point, where transport takes it.
  - >-
    Whatever was stopped is started again, and only that: also after an error, a full disk, a signal or a
    reboot.
  - >-
    Nothing incomplete is ever sealed. Runs on the source, as root.
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
        V(run): Collect now.
      - >-
        V(plan): Say what run would do: what is stopped, what is read, which kind and why, where it goes.
      - >-
        V(status): Tell how a job stands: its newest generations, what waits, what failed, what comes next.
      - >-
        V(recover): Start again what an interrupted run left stopped; silent if there is nothing to do.
      - >-
        V(validate): Check a job document.
    type: str
    default: run
    choices:
      - run
      - plan
      - status
      - recover
      - validate
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
  kind:
    description:
      - >-
        Full, incremental, or what the job's rule says.
      - >-
        V(auto): Whatever the job's rule says.
      - >-
        V(full): A full.
      - >-
        V(incremental): An incremental, whatever the job's rule says; a full where there is no base.
    type: str
    choices:
      - auto
      - full
      - incremental
    default: auto
  label:
    description:
      - >-
        Names a copy that is made besides the schedule.
    type: str
  max_age:
    description:
      - >-
        Do nothing for a stream whose newest good generation is younger, such as `12h`.
    type: str
  missed:
    description:
      - >-
        Do nothing unless the run that `schedule.collect` asked for last was missed, because the host was off.
    type: bool
    default: false
  max_shrink:
    description:
      - >-
        Instead of the job's `checks.max_shrink`: `100%` accepts that most was removed on purpose.
    type: str
  file:
    description:
      - >-
        The document.
      - >-
        Only with O(action=validate).
      - >-
        Required with O(action=validate).
    type: path
"""

EXAMPLES = r"""
---
- name: Collect now
  backup_collect:
    job: shop

- name: Keep a copy before an upgrade
  backup_collect:
    job: shop
    stream: data
    kind: full
    label: before-upgrade

- name: Collect unless there is a copy of the last twelve hours
  backup_collect:
    job: shop
    max_age: 12h

- name: Collect if the scheduled run was missed while the host was off
  backup_collect:
    job: shop
    missed: true
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
      Each stream that was asked for: what became of it (`planned`, `sealed`, `fresh`, `failed`), its
      generation, why it is full or incremental, its base, digest, place and sizes.
    - >-
      Each stream: its newest generation and its age, the last failure, what waits for transport, what comes
      next.
  returned: "actions run and plan, action status"
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
      returned: actions run and plan
      type: str
    id:
      description:
        - >-
          The generation; for a fresh stream its newest.
      returned: actions run and plan
      type: str
    kind:
      description:
        - >-
          Full or incremental.
      returned: actions run and plan
      type: str
    reason:
      description:
        - >-
          Why it has this kind, or why nothing was done.
        - >-
          Why.
      type: str
    base:
      description:
        - >-
          What an incremental differs from.
      returned: actions run and plan
      type: dict
    digest:
      description:
        - >-
          The digest of the seal.
      returned: actions run and plan
      type: str
    path:
      description:
        - >-
          Where it lies, or would.
      returned: actions run and plan
      type: str
    paths:
      description:
        - >-
          Paths that the source holds; a plan counts them at the moment it is made.
      returned: actions run and plan
      type: int
    bytes:
      description:
        - >-
          Plain bytes that the source holds.
      returned: actions run and plan
      type: int
    files:
      description:
        - >-
          Paths that the generation stores; in a plan those that would be read, which can be a few more.
      returned: actions run and plan
      type: int
    stored_bytes:
      description:
        - >-
          Stored bytes; in a plan as many as the last one of its kind had, or the plain bytes that would be
          read.
      returned: actions run and plan
      type: int
    deleted:
      description:
        - >-
          Paths of the base that are gone.
      returned: actions run and plan
      type: int
    patched:
      description:
        - >-
          Large files stored as changed blocks.
      returned: actions run and plan
      type: int
    dumps:
      description:
        - >-
          Names of the dumps.
      returned: actions run and plan
      type: list
    previous_transport_failed:
      description:
        - >-
          Generations that the previous transport should have taken.
      returned: actions run and plan
      type: list
    failure:
      description:
        - >-
          Why it failed.
      returned: actions run and plan
      type: dict
      contains:
        kind:
          description:
            - >-
              Class of the failure.
          type: str
        msg:
          description:
            - >-
              What happened.
          type: str
    warnings:
      description:
        - >-
          What the policy tolerated.
      returned: actions run and plan
      type: list
    last_good:
      description:
        - >-
          The newest generation that was sealed here.
      returned: action status
      type: str
    age_seconds:
      description:
        - >-
          Its age in seconds.
      returned: action status
      type: int
    last_failure:
      description:
        - >-
          Why the last attempt failed, if it did.
      returned: action status
      type: dict
      contains:
        kind:
          description:
            - >-
              Class of the failure.
          type: str
        msg:
          description:
            - >-
              What happened.
          type: str
    waiting:
      description:
        - >-
          Generations that wait in the handover point.
      returned: action status
      type: list
    keep:
      description:
        - >-
          How many may wait.
      returned: action status
      type: int
    next_kind:
      description:
        - >-
          Kind of the next generation.
      returned: action status
      type: str
  sample:
    [
      {
        "base": {
          "digest": "c7262fdf0ec99a955c965a672f233f2734e6325b69ed35cb3306f6a4c4c4b45e",
          "id": "20261115T220000Z"
        },
        "bytes": 3700000000,
        "deleted": 3,
        "digest": "82582962f3c2a9dd119be5dae948e16843b2b9f21b230d448f6d1d31bbc33131",
        "dumps": [
          "dump-orders.sql.zst"
        ],
        "failure": null,
        "fate": "sealed",
        "files": 1200,
        "id": "20261120T220000Z",
        "kind": "incremental",
        "patched": 1,
        "path": "/home/dataBackupSource/handover/shop/data/20261120T220000Z",
        "paths": 187000,
        "previous_transport_failed": [],
        "reason": "the full 20261115T220000Z is a usable base",
        "stored_bytes": 41000000,
        "stream": "data",
        "warnings": []
      },
      {
        "base": null,
        "bytes": null,
        "deleted": null,
        "digest": null,
        "dumps": [],
        "failure": {
          "kind": "handover_full",
          "msg": "the handover point is full"
        },
        "fate": "failed",
        "files": null,
        "id": null,
        "kind": null,
        "patched": null,
        "path": "/home/logBackupSource/handover/shop/logs",
        "paths": null,
        "previous_transport_failed": [
          "20261115T220000Z"
        ],
        "reason": null,
        "stored_bytes": null,
        "stream": "logs",
        "warnings": []
      }
    ]
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
previous_transport_failed:
  description:
    - >-
      Whether the previous transport left a generation that it should have taken.
  returned: actions run and plan
  type: bool
  sample: false
recovered:
  description:
    - >-
      Services that an earlier, interrupted run had left stopped, and that are on again.
    - >-
      Services that were started, or found on; trees that were put back or finished; rests that were removed.
  returned: "actions run and plan, action recover"
  type: list
  sample: []
downtime_ms:
  description:
    - >-
      How long the services stood still, in milliseconds, without their own stop and start.
  returned: actions run and plan
  type: int
  sample: 800
downtime_with_services_ms:
  description:
    - >-
      How long they were away, their own stop and start included.
  returned: actions run and plan
  type: int
  sample: 3100
duration_ms:
  description:
    - >-
      How long the run took, in milliseconds.
  returned: actions run and plan
  type: int
  sample: 18000
stopped:
  description:
    - >-
      Services that a window keeps stopped at this moment.
  returned: action status
  type: list
  sample: []
"""
