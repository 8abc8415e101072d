#!/usr/bin/env bash
# A real backup and a real restore between two small hosts of the lab, which are removed at the end. Nothing else on
# this machine is changed. Ends with a failure as soon as anything is not as it should be.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

lab=molecule/shared/lab
folder=$(mktemp -d)
export ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_SSH_CONTROL_PATH_DIR=$folder/ssh

leave() {
    local status=$?
    trap - EXIT
    [ "$status" -eq 0 ] || printf '\nThe demo failed. What Ansible said last is above; its hosts are removed now.\n' >&2
    "$lab" down demo || true
    rm -rf "$folder"
    exit "$status"
}
trap leave EXIT
trap 'exit 130' INT TERM HUP

# --- telling --------------------------------------------------------------------------------------------------------

step=0
step() {
    step=$((step + 1))
    printf '\n[%3d s] %d. %s\n' "$SECONDS" "$step" "$*"
}
indent() { sed 's/^/          /'; }

# --- acting ---------------------------------------------------------------------------------------------------------

on() { "$lab" sh demo "$1" "$2"; }

play() {
    ansible-playbook --inventory playbooks/inventory/demo.yml --inventory "$folder/addresses.yml" \
        --extra-vars "backup_common_places=$folder/places.yml" "$@" >"$folder/log" 2>&1 || {
        cat "$folder/log" >&2
        die "ansible-playbook $1 failed"
    }
    sed -nE 's/^(source|sink) +: (.*) unreachable.*/\1: \2/p' "$folder/log" | indent
}

# until_on HOST WHAT SCRIPT: waits for a condition; cron begins something every three minutes.
until_on() {
    local deadline=$((SECONDS + 300))
    until on "$1" "$3" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || die "waited for 5 minutes in vain: $2"
        sleep 1
    done
}

start_hosts() {
    local network host last=11
    ssh-keygen -q -t ed25519 -N '' -C demo -f "$folder/key"
    network=$("$lab" network demo)
    echo "all: {vars: {ansible_user: root, ansible_ssh_private_key_file: $folder/key}, hosts: {source: {ansible_host: $network.11}, sink: {ansible_host: $network.12}}}" \
        >"$folder/addresses.yml"
    for host in source sink; do
        "$lab" up demo "$host" "$last" systemd --add-host="source:$network.11" --add-host="sink:$network.12" |
            sed "s/^/$host has the address /" | indent
        on "$host" 'install -d -m 700 /root/.ssh && cat >/root/.ssh/authorized_keys' <"$folder/key.pub"
        on "$host" 'systemctl is-system-running --wait' | sed "s/^/systemd on $host: /" | indent
        last=$((last + 1))
    done
}

order() { on source "curl -fsS --retry 20 --retry-connrefused --retry-delay 1 -d '$1' http://127.0.0.1:8080/orders" | indent; }
orders() { on source 'curl -fsS --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8080/orders'; }

store=/home/dataBackupSink/store/source/shop
# held STREAM KIND: a script that finds sealed generations of that kind in the sink's store.
held() { echo "cd $store/$1 && grep -l '\"kind\": \"$2\"' \$(find . -name SHA256SUMS -printf '%h/manifest.json ') | xargs -r dirname | sort"; }
is_held() { echo "test -n \"\$($(held "$1" "$2"))\""; }

show_store() {
    on sink "cd $store && for seal in */2*Z/SHA256SUMS; do
        generation=\$(dirname \$seal)
        printf '%s  %-11s %8s bytes\n' \$generation \"\$(sed -n 's/^  \"kind\": \"\(.*\)\",\$/\1/p' \$generation/manifest.json)\" \$(du -bs \$generation | cut -f1)
    done" | indent
}

# --- the story ------------------------------------------------------------------------------------------------------

"$lab" down demo # what a killed run left

step "Two hosts: Debian with systemd, sshd, cron and mail"
start_hosts

step "playbooks/demo.yml: an application on the source, and its backup to the sink"
play playbooks/demo.yml
on source 'cat /etc/handover/jobs/shop.yml' | indent

step "Orders come in"
order tea
order coffee

step "Cron collects and pushes, as planned; nobody does anything"
on source 'grep -h -B1 "^[*0-9]" /etc/cron.d/handover-shop' | indent
until_on sink "a full has arrived" "$(is_held data full)"
show_store

step "sha256sum on the sink, file by file"
on sink "cd $store/data && for seal in 2*Z/SHA256SUMS; do (cd \$(dirname \$seal) && sha256sum --check --strict SHA256SUMS); done" | indent

step "How long the application stood still for it, by its own log"
on source "grep -E ' (started|stopped)\$' /var/log/shop/shop.log | tail -n 2" | indent
on source "journalctl --quiet --no-pager --output cat -t backup_collect | grep collected | tail -n 2" | indent

step "The sink has pulled the logs, and the source has none waiting"
until_on sink "logs have arrived" "test -n \"\$(find $store/logs -name SHA256SUMS)\""
on sink "cd $store/logs/2*Z && tar --zstd -xOf data.tar.zst var/log/shop/shop.log | tail -n 2" | indent

step "Cron rests. More orders, and three copies by hand, which hold only what is new: playbooks/backup.yml"
on source 'systemctl stop cron'
on sink 'systemctl stop cron'
for item in milk sugar honey; do
    order "$item"
    play playbooks/backup.yml
done

step "The sink keeps the two newest, what they differ from, and no fewer than two fulls"
show_store
on sink 'runuser -u dataBackupSink -- backup_rotate status source/shop' | indent
[ "$(on sink "$(held data incremental)" | wc -l)" -eq 2 ] || die "not two incrementals are left"

step "A disaster: the application's data are gone"
before=$(orders)
on source 'systemctl stop shop.service && rm -rf /srv/shop && ls -d /srv/shop 2>&1 || true' | indent

step "playbooks/restore.yml: fetch the newest copy with access for this run only, check it, put it in place"
play playbooks/restore.yml --limit source -e backup_restore_job=shop
on source 'systemctl start shop.service'

step "The application answers"
after=$(orders)
echo "$after" | indent
[ "$before" = "$after" ] || die "it answers differently than before: $before"
on source 'sqlite3 /srv/shop/orders.db "PRAGMA integrity_check" && cd /srv/shop/photos && ls -l' | indent

printf '\n[%3d s] Done: backed up, lost, restored.\n' "$SECONDS"
