# Made by `backup_transport docs`.
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, "From Ansible".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_transport
short_description: "Carry backup generations from the handover point to the sink's store"
description:
  - >-
    Carries what waits in the handover point to the sink, where it is verified, stored and signed for. Only
    then does the source's copy move to the source's own store. Afterwards each side rotates its store by its
    own policy.
  - >-
    Runs on the source (push) or on the sink (pull), as the job says. An interrupted transfer goes on where it
    was cut, and only differences to the previous copy travel.
  - >-
    A connection that fails is tried again within the job's window. With nothing outstanding nothing is
    changed.
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
        V(run): Carry what waits in the handover point to the sink's store.
      - >-
        V(plan): Say what run would carry.
      - >-
        V(status): Say what waits and what is stored.
      - >-
        V(fetch): Bring a generation back from the sink into the restore folder, with its base and receipts.
      - >-
        V(deliver): On a sink: place a generation in the restore folder of its source, with its base and
        receipts.
      - >-
        V(adopt): On a sink: accept generations of another source installation from here on.
    type: str
    default: run
    choices:
      - run
      - plan
      - status
      - fetch
      - deliver
      - adopt
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
  missed:
    description:
      - >-
        Do nothing unless the run that `schedule.transport` asked for last was missed, because the host was
        off.
    type: bool
    default: false
  peer:
    description:
      - >-
        Ask the other side as well.
      - >-
        Only with O(action=status).
    type: bool
    default: false
  generation:
    description:
      - >-
        The id of a generation, or `newest`: the newest verified one; where none is verified, the newest, with
        a warning. Or a day of UTC (`2026-11-20`) or a time with its zone (`2026-11-20T22:00Z`): the same
        among those that are not after it.
      - >-
        Only with O(action=fetch), O(action=deliver).
    type: str
    default: newest
  address:
    description:
      - >-
        The sink's host; default: the job's peer, where the source pushes.
      - >-
        Only with O(action=fetch), O(action=deliver).
    type: str
  port:
    description:
      - >-
        Port of the sink's sshd; default: the peer's.
      - >-
        Only with O(action=fetch), O(action=deliver).
    type: int
  login:
    description:
      - >-
        Login at the sink; default: the sink's login.
      - >-
        Only with O(action=fetch), O(action=deliver).
    type: str
  identity:
    description:
      - >-
        Private key of the access that was granted, readable for the stream's user only; default: the one that
        transport uses.
      - >-
        Only with O(action=fetch), O(action=deliver).
      - >-
        Required with O(action=deliver).
    type: path
  known_hosts:
    description:
      - >-
        Pinned host keys; default: those that transport uses.
      - >-
        Only with O(action=fetch), O(action=deliver).
    type: path
  instance:
    description:
      - >-
        The source instance, as the refusal names it.
      - >-
        Only with O(action=adopt).
      - >-
        Required with O(action=adopt).
    type: str
"""

EXAMPLES = r"""
---
- name: Carry what waits in the handover point of the job shop
  backup_transport:
    job: shop

- name: Pull on the sink
  backup_transport:
    job: web1/shop
    stream: logs

- name: Carry what waits if the scheduled run was missed while the host was off
  backup_transport:
    job: shop
    missed: true

- name: Bring the newest copy back into the restore folder
  backup_transport:
    action: fetch
    job: shop
    address: sink1
    identity: /run/restore_key
    known_hosts: /run/restore_key.known_hosts

- name: Place the newest copy in the restore folder of its source, on the sink
  backup_transport:
    action: deliver
    job: web1/shop
    address: web1
    identity: /run/deliver_key
    known_hosts: /run/deliver_key.known_hosts
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
generations:
  description:
    - >-
      Each generation that waited, oldest first: its `stream`, `id`, `kind` and `bytes`; what was done
      (`action`: `send` carried and stored, `have` the sink had it already, `release` moved without a receipt
      because the sink will never take it, `want_full`, `refuse`, `fail`, `stop` the job was stopped
      meanwhile, and what has arrived stays for the next run); `wire_bytes` both ways; whether an earlier
      attempt was `resumed`; whether the sink `verified` it, and when it `received_at`; whether it was
      `moved_to_store`; what was `rotated` on each side; `duration_ms`.
    - >-
      What lies in the restore folder now, base first.
  returned: "actions run and plan, action fetch, action deliver"
  type: list
  contains:
    stream:
      description:
        - >-
          Its stream.
      returned: actions run and plan
      type: str
    id:
      description:
        - >-
          Its id.
      returned: actions run and plan
      type: str
    kind:
      description:
        - >-
          Full or incremental.
      returned: actions run and plan
      type: str
    bytes:
      description:
        - >-
          Bytes of its files.
      returned: actions run and plan
      type: int
    action:
      description:
        - >-
          What was done, or would be.
      returned: actions run and plan
      type: str
    wire_bytes:
      description:
        - >-
          Bytes on the connection, both ways.
      returned: actions run and plan
      type: int
    resumed:
      description:
        - >-
          An earlier attempt had carried a part.
      returned: actions run and plan
      type: bool
    verified:
      description:
        - >-
          The sink re-read every digest.
      returned: actions run and plan
      type: bool
    received_at:
      description:
        - >-
          When it arrived, by the sink's clock.
      returned: actions run and plan
      type: str
    moved_to_store:
      description:
        - >-
          It left the handover point.
      returned: actions run and plan
      type: bool
    rotated:
      description:
        - >-
          What rotation did afterwards.
      returned: actions run and plan
      type: dict
      contains:
        sink:
          description:
            - >-
              In the sink's store.
          type: dict
          contains:
            kept:
              description:
                - >-
                  Generations that stay.
              type: list
            expired:
              description:
                - >-
                  Generations that were deleted.
              type: list
            postponed:
              description:
                - >-
                  Generations that are due, but whose deletion has to wait.
              type: list
        source:
          description:
            - >-
              In the source's store.
          type: dict
          contains:
            kept:
              description:
                - >-
                  Generations that stay.
              type: list
            expired:
              description:
                - >-
                  Generations that were deleted.
              type: list
            postponed:
              description:
                - >-
                  Generations that are due, but whose deletion has to wait.
              type: list
    duration_ms:
      description:
        - >-
          How long it took, milliseconds.
      returned: actions run and plan
      type: int
  sample:
    [
      {
        "action": "send",
        "bytes": 53687091,
        "duration_ms": 2140,
        "id": "20261120T220000Z",
        "kind": "full",
        "moved_to_store": true,
        "received_at": "2026-11-20T22:10:00Z",
        "resumed": false,
        "rotated": {
          "sink": {
            "expired": [],
            "kept": [
              "20261120T220000Z",
              "20261119T220000Z"
            ],
            "postponed": []
          },
          "source": {
            "expired": [],
            "kept": [
              "20261120T220000Z",
              "20261119T220000Z"
            ],
            "postponed": []
          }
        },
        "stream": "data",
        "verified": true,
        "wire_bytes": 4831838
      }
    ]
outstanding:
  description:
    - >-
      Generations that still wait in a handover point.
  returned: actions run and plan
  type: list
  contains:
    stream:
      description:
        - >-
          Its stream.
      type: str
    id:
      description:
        - >-
          Its id.
      type: str
  sample: [{"id":"20261120T220000Z","stream":"logs"}]
streams:
  description:
    - >-
      For each stream: what is `outstanding`, what is `stored`, the `newest_verified` generation,
      `free_bytes`, on a sink with a `quota` its `limit` and what is `used`; the same of the `peer`, if it was
      asked; `certificate_until`, where this side logs in with one.
    - >-
      The streams for which this holds.
  returned: "action status, action adopt"
  type: list
  contains:
    stream:
      description:
        - >-
          The stream.
      returned: action status
      type: str
    here:
      description:
        - >-
          This side.
      returned: action status
      type: dict
      contains:
        outstanding:
          description:
            - >-
              Sealed generations in the handover point (source) or arriving (sink), oldest first.
          type: list
        stored:
          description:
            - >-
              Sealed generations in the store, oldest first.
          type: list
        newest_verified:
          description:
            - >-
              The newest one in the store with a receipt that says verified.
          type: dict
        free_bytes:
          description:
            - >-
              Bytes free where generations arrive.
          type: int
        quota:
          description:
            - >-
              On a sink that limits the source: what it may fill.
          type: dict
          contains:
            limit:
              description:
                - >-
                  So many bytes.
              type: int
            used:
              description:
                - >-
                  Of these, so many are taken up: by generations stored, arrived and arriving, and by notes
                  about them.
              type: int
    peer:
      description:
        - >-
          The other side.
      returned: action status
      type: dict
      contains:
        outstanding:
          description:
            - >-
              Sealed generations in the handover point (source) or arriving (sink), oldest first.
          type: list
        stored:
          description:
            - >-
              Sealed generations in the store, oldest first.
          type: list
        newest_verified:
          description:
            - >-
              The newest one in the store with a receipt that says verified.
          type: dict
        free_bytes:
          description:
            - >-
              Bytes free where generations arrive.
          type: int
        quota:
          description:
            - >-
              On a sink that limits the source: what it may fill.
          type: dict
          contains:
            limit:
              description:
                - >-
                  So many bytes.
              type: int
            used:
              description:
                - >-
                  Of these, so many are taken up: by generations stored, arrived and arriving, and by notes
                  about them.
              type: int
    certificate_until:
      description:
        - >-
          The end of the certificate with which this side logs in, if it needs one.
      returned: action status
      type: str
  sample:
    [
      {
        "certificate_until": "2026-12-10T22:00:00Z",
        "here": {
          "free_bytes": 53687091200,
          "newest_verified": {
            "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "id": "20261119T220000Z"
          },
          "outstanding": [
            "20261120T220000Z"
          ],
          "quota": {
            "limit": 214748364800,
            "used": 42949672960
          },
          "stored": [
            "20261119T220000Z"
          ]
        },
        "peer": {
          "free_bytes": 53687091200,
          "newest_verified": {
            "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "id": "20261119T220000Z"
          },
          "outstanding": [
            "20261120T220000Z"
          ],
          "quota": {
            "limit": 214748364800,
            "used": 42949672960
          },
          "stored": [
            "20261119T220000Z"
          ]
        },
        "stream": "data"
      }
    ]
confinement:
  description:
    - >-
      Whether Landlock confines the rsync that serves a peer here: `full`, `partial` (an older kernel) or
      `none`.
  returned: action status
  type: str
  sample: "full"
generation:
  description:
    - >-
      The generation that was asked for.
  returned: "action fetch, action deliver"
  type: str
  sample: "20261120T220000Z"
folder:
  description:
    - >-
      The folder that holds them.
  returned: action fetch
  type: str
  sample: "/home/dataBackupSource/restore/shop/data"
wire_bytes:
  description:
    - >-
      Bytes on the connection, both ways.
  returned: "action fetch, action deliver"
  type: int
  sample: 54012345
delivered:
  description:
    - >-
      Of these, what this run brought.
  returned: action deliver
  type: list
  sample: ["20261120T220000Z"]
host:
  description:
    - >-
      The source's host.
  returned: action deliver
  type: str
  sample: "web1"
instance:
  description:
    - >-
      The source installation that is accepted from here on.
  returned: action adopt
  type: str
  sample: "0123456789abcdef0123456789abcdef"
"""
