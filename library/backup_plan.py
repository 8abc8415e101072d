# Made by `backup_plan docs`.
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, "From Ansible".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_plan
short_description: "Derive cron entries from objectives, and prove them"
description:
  - >-
    Derives from declared jobs the cron entries of all hosts, and what stores keep, and proves over years that
    they hold what is promised.
  - >-
    Changes no host. It needs none: it works on a controller, and in a pipeline, from the declarations alone.
  - >-
    Jobs whose promises cannot be held are refused with the first moment at which one is broken, and with the
    nearest change that helps.
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
        V(run): Derive cron entries and what is kept, and prove that they hold what is promised.
      - >-
        V(plan): The same, and write no file.
      - >-
        V(measure): On a sink: tell how long transports took and how large copies are, as facts for a plan.
    type: str
    default: run
    choices:
      - run
      - plan
      - measure
  jobs:
    description:
      - >-
        Complete job documents, of one source or of many.
    type: list
    elements: dict
  file:
    description:
      - >-
        A YAML document with complete job documents in the list `jobs`, and `hosts` and `sinks` as in `facts`.
    type: path
  config:
    description:
      - >-
        Holds the job documents in `jobs/`: those of this source are planned, with what `facts.yml` tells of
        hosts; those kept here are measured. `/etc/handover`, unless a task says what to plan.
    type: path
  facts:
    description:
      - >-
        What is known besides, laid over what a file says; each name in it is that of a job that is planned,
        of its source or its sink. `hosts` maps a source to its `zone` and its `jobs`, with `collect`,
        `transport`, `verify`, `restore`, `full` and `incremental` each, `delays`, `place` and `shift`;
        `sinks` maps a sink to its `zone`, `parallel`, `reserve`, `bandwidth` and `capacity`.
    type: dict
  measured:
    description:
      - >-
        What sinks have measured, as `measure` answers it in `facts`, laid over these. Of jobs that are not
        planned it counts for nothing.
    type: dict
  places:
    description:
      - >-
        Remembers how far each source is shifted to share its sinks with the others, so that a new source
        moves nobody. Read where it is there, and written by `run`.
    type: path
  places_unchanged:
    description:
      - >-
        `run`, too, leaves `places` as it is: for who only looks.
    type: bool
    default: false
  calendar:
    description:
      - >-
        So many days are shown as a calendar, such as `14d`.
    type: str
  text:
    description:
      - >-
        The answer has the plan also as text, the calendar included: what people get on a terminal.
    type: bool
    default: false
  svg:
    description:
      - >-
        Where the calendar is written as a picture, of 14 days unless `calendar` says more or less, also of a
        plan that is refused. With several sources one each, with the source in its name: `calendar.svg`
        becomes `calendar.web1.svg`.
    type: path
  from:
    description:
      - >-
        The begin of what is proven, such as `2026-11-20T12:00:00Z`; default is now.
    type: str
  now:
    description:
      - >-
        What is told begins here: the calendar, and of a plan that is refused the first broken promise, if any
        is broken from here on. Default is the begin of what is proven.
    type: str
  years:
    description:
      - >-
        How many years are proven.
    type: int
    default: 10
"""

EXAMPLES = r"""
---
- name: Plan the jobs of all sources, or refuse them
  backup_plan:
    jobs: "{{ groups['all'] | map('extract', hostvars, 'backup_jobs') | flatten }}"
    facts:
      hosts:
        web1: {zone: Europe/Berlin}
      sinks:
        sink1: {zone: UTC, parallel: 4}
  delegate_to: localhost
  run_once: true
  register: plan

- name: Measure on a sink what the next plan should know
  backup_plan:
    action: measure
  register: measured
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
feasible:
  description:
    - >-
      Whether every promise holds over the whole time.
  returned: actions run and plan
  type: bool
  sample: true
counter_example:
  description:
    - >-
      The first moment at which one does not hold, as a story; absent where all hold.
  returned: actions run and plan
  type: str
  sample:
    "at 2026-11-22 00:49 the newest verified copy on sink1 holds data of 2026-11-20 22:00, 26 h 49 min old"
entries:
  description:
    - >-
      The cron entries of all hosts: `host`, `user`, `job` as that host names it, `purpose`, `stream`, `kind`,
      `cron` (the five fields), `command`, `install` (false for what is planned only) and `why`.
  returned: actions run and plan
  type: list
  sample:
    [
      {
        "command": "/usr/local/bin/backup_collect run shop --quiet",
        "cron": "17 18 * * *",
        "host": "web1",
        "install": true,
        "job": "shop",
        "kind": null,
        "purpose": "collect",
        "stream": null,
        "user": "root",
        "why": "collection: daily: the RPO of 26 h less 40 min for collect, transport and verification leaves 25 h 20
        min, which no entry holds evenly; four times a week would be too rare"
      }
    ]
streams:
  description:
    - >-
      What each stream attains: `source`, `job`, `stream`, `sink`, `effective_rpo` in seconds, the `worst`
      moment, `freedom`, `collections`, the `retention` that its sink needs, for how many seconds each is
      `restorable`, and the most generations and bytes in `handover_point`, `source_store` and `sink_store`.
  returned: actions run and plan
  type: list
  sample:
    [
      {
        "collections": 41,
        "effective_rpo": 88800,
        "freedom": 4800,
        "handover_keep": 3,
        "handover_point": {
          "bytes": null,
          "fulls": 1,
          "incrementals": 0
        },
        "job": "shop",
        "restorable": 2594400,
        "retention": {
          "daily": null,
          "generations": 7,
          "hourly": null,
          "max_age": null,
          "monthly": null,
          "weekly": null,
          "within": null,
          "yearly": null
        },
        "retention_derived": false,
        "sink": "sink1",
        "sink_store": {
          "bytes": null,
          "fulls": 5,
          "incrementals": 27
        },
        "source": "web1",
        "source_retention": {
          "daily": null,
          "generations": 1,
          "hourly": null,
          "max_age": null,
          "monthly": null,
          "weekly": null,
          "within": null,
          "yearly": null
        },
        "source_store": {
          "bytes": null,
          "fulls": 1,
          "incrementals": 2
        },
        "stream": "data",
        "worst": "1970-01-02 18:57"
      }
    ]
checks:
  description:
    - >-
      The proof: `source`, `check`, `job`, `stream`, `other` (the job of a clash, or the sink), `outcome`
      (`ok`, `warning`, `unknown`, `failed`), `text`, `at`, `instant`, `figures`, `remedies` with `job`,
      `setting` and `value` each, and `untried`: settings on which it depends, too.
  returned: actions run and plan
  type: list
  sample:
    [
      {
        "at": null,
        "check": "durations",
        "figures": {},
        "instant": null,
        "job": "shop",
        "other": null,
        "outcome": "unknown",
        "remedies": [],
        "source": "web1",
        "stream": null,
        "text": "durations are assumed where they are neither declared nor measured in ten runs: collect 10 min,
        transport 20 min, verification 10 min",
        "untried": []
      }
    ]
sinks:
  description:
    - >-
      By sink: its `zone`, how many `sources` share it, whether it is `feasible`, and the proof in `checks`:
      how many transports run there at once, how many bytes per second they bring, how much room the stores
      take.
  returned: actions run and plan
  type: list
  sample:
    [
      {
        "checks": [
          {
            "at": null,
            "check": "zone",
            "figures": {},
            "instant": null,
            "job": null,
            "other": null,
            "outcome": "unknown",
            "remedies": [],
            "stream": null,
            "text": "the time zone of sink1 is not given: its times are taken for UTC. Give `sinks.sink1.zone`",
            "untried": []
          },
          {
            "at": "1970-01-01 18:27",
            "check": "parallel",
            "figures": {
              "most": 1,
              "parallel": 8
            },
            "instant": 66420,
            "job": null,
            "other": null,
            "outcome": "ok",
            "remedies": [],
            "stream": null,
            "text": "at most 1 transport at once, first at 1970-01-01 18:27; 8 may run: `parallel` is 10, 2 of them in
            reserve",
            "untried": []
          }
        ],
        "feasible": true,
        "sink": "sink1",
        "sources": 1,
        "zone": "UTC"
      }
    ]
places:
  description:
    - >-
      By source: how much later than its own place it is planned, so that all sinks have room.
  returned: actions run and plan
  type: dict
  sample: {"web1":"0s"}
plans:
  description:
    - >-
      By source: its `zone`, from when until when it was proven, whether it is `feasible`, and its
      `counter_example`.
  returned: actions run and plan
  type: list
  sample:
    [
      {
        "counter_example": null,
        "feasible": true,
        "from": "1970-01-01 00:00",
        "source": "web1",
        "until": "1970-02-11 16:00",
        "zone": "UTC"
      }
    ]
schedules:
  description:
    - >-
      By `<source>/<job>`: what the installed document says, `schedule` (`derived` names the times that were
      not declared) and by stream `retention`.
  returned: actions run and plan
  type: dict
  sample:
    {
      "web1/shop": {
        "retention": {
          "data": {
            "generations": 7
          }
        },
        "schedule": {
          "collect": [
            "17 18 * * *"
          ],
          "derived": [
            "collect",
            "transport"
          ],
          "rotate": [],
          "transport": [
            "27 18 * * *",
            "57 18 * * *"
          ]
        }
      }
    }
calendar:
  description:
    - >-
      The next days as text, if they were asked for.
  returned: actions run and plan
  type: str
  sample: "sun 2026-11-22\n  22:00 collect    shop on web1, 10 min\n"
text:
  description:
    - >-
      All of it for people, if it was asked for: entries with their reasons, what is kept where, the proof,
      the calendar.
  returned: actions run and plan
  type: str
  sample: "plan of web1, Europe/Berlin, proven from 2026-11-20 13:00 to 2036-11-20 13:00\n"
facts:
  description:
    - >-
      What was measured, in the form that the option `measured` takes: durations at p95 over the newest 50
      fulls and the newest 50 incrementals of the job's slowest stream, rounded up, and the largest among
      them.
  returned: action measure
  type: dict
  sample:
    {
      "hosts": {
        "web1": {
          "jobs": {
            "shop": {
              "collect": "1min30s",
              "full": "5300kB",
              "incremental": null,
              "restore": null,
              "samples": 1,
              "transport": null,
              "verify": "5s"
            }
          }
        }
      }
    }
samples:
  description:
    - >-
      How many copies of each stream were measured, by `<source>/<job>` and stream.
  returned: action measure
  type: dict
  sample: {"web1/shop":{"data":1}}
"""
