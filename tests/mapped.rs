//! Applications that write while collect reads: what comes back is what was there when they stood still.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::sh;
use backup_tests::lab::{Lab, Way, wait_for, within};
use backup_tests::oracle;
use backup_tests::service::{self, Service};
use serde_json::json;
use std::fs;

/// Writes a growing number into a mapped page, over and over, without a sync: after the first fault of a page its
/// contents change and its mtime does not. Told to end, it notes the last number elsewhere. Zigzags between pages and
/// pauses, so that some are written long before and some just before the end.
const WRITER: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
static volatile sig_atomic_t end;
static void stop(int signal) { end = signal; }
int main(int argc, char **argv) {
    if (argc != 3) return 2;
    signal(SIGTERM, stop);
    int file = open(argv[1], O_RDWR | O_CREAT, 0600);
    if (file < 0 || ftruncate(file, 16 * 4096) != 0) return 1;
    char *page = mmap(0, 16 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) return 1;
    unsigned long n = 0;
    struct timespec pause = {0, 700000};
    while (!end) { snprintf(page + (n / 1500 % 16) * 4096, 32, "%lu", n); n++; nanosleep(&pause, 0); }
    snprintf(page + 5 * 4096, 32, "last %lu", n);
    FILE *copy = fopen(argv[2], "w");
    fwrite(page, 1, 16 * 4096, copy);
    return fclose(copy);
}
"#;

/// Enough that reading takes longer than the kernel waits with writing back a page.
const BULK: &str = "for i in $(seq 12); do head -c 20000000 /dev/urandom > bulk$i; done";

#[test]
fn a_mapped_file_comes_back_with_its_last_contents() {
    let mut lab = Lab::new(Way::Push);
    let (srv, program) = (lab.srv().display().to_string(), lab.at("bin/mapped-writer").display().to_string());
    fs::write(lab.at("writer.c"), WRITER).unwrap();
    // A C compiler is there where this was built: zstd is C.
    sh(&format!("${{CC:-cc}} -O1 -o {program} {}", lab.at("writer.c").display()));
    let last = lab.at("last");
    service::declare(&mut lab, &format!("exec {program} {srv}/mapped {}", last.display()), "");
    sh(&format!("cd {srv}; {BULK}"));
    for kind in ["full", "incremental", "incremental"] {
        Service::of(&lab).start();
        wait_for("it writes", || lab.srv().join("mapped").exists());
        let id = lab.collect(&["--kind", kind]);
        // What it wrote at its end is from before this collection's standstill ended.
        let at_standstill = fs::read(&last).unwrap();
        lab.transport().good();
        let words =
            ["run", "--from", "sink_store", "--generation", &id, "--target", &lab.at("out").display().to_string()];
        lab.call(backup_tests::lab::Host::Source, backup_tests::executables::Executable::Restore, &words).good();
        let restored = fs::read(within(&lab.at("out"), &lab.srv()).join("mapped")).unwrap();
        assert!(restored == at_standstill, "{kind}: not the last contents");
        assert!(String::from_utf8_lossy(&restored).contains("last "));
        assert!(Service::of(&lab).is_on());
        fs::remove_dir_all(lab.at("out")).unwrap();
    }
}

#[test]
fn a_database_and_its_logs_come_back_as_they_stood_still() {
    let mut lab = Lab::new(Way::Push);
    let srv = lab.srv().display().to_string();
    sh(&format!(
        "cd {srv}; {BULK}; sqlite3 db 'PRAGMA journal_mode=WAL; CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB);' > /dev/null"
    ));
    let body = format!(
        "cd {srv}; while :; do echo 'INSERT INTO t (b) VALUES (randomblob(900));'; echo line >> app.log; \
         echo x > spool.new; mv spool.new spool.$(date +%S); sleep 0.003; done | exec sqlite3 db"
    );
    let standstill = lab.at("standstill").display().to_string();
    service::declare(&mut lab, &body, &format!("rm -rf {standstill}; cp -a {srv} {standstill}"));
    lab.change(&json!({"max_downtime": "1min"}));
    Service::of(&lab).start();
    for kind in ["full", "incremental"] {
        wait_for("it has written", || fs::metadata(lab.srv().join("db-wal")).is_ok_and(|wal| wal.len() > 200_000));
        let id = lab.collect(&["--kind", kind]);
        assert!(Service::of(&lab).is_on());
        lab.transport().good();
        lab.restores_to(&id, &lab.at("standstill"), kind);
        let target = lab.at("plain");
        let store = lab.there("data", "store");
        let root = store.ancestors().nth(2).unwrap();
        sh(&format!("dash {}/restore.sh {}/{id} {} 2>&1", root.display(), store.display(), target.display()));
        let restored = within(&target, &lab.srv());
        oracle::same(&lab.at("standstill"), &restored);
        let rows = |folder: &std::path::Path| {
            let copy = lab.at("copy");
            sh(&format!(
                "cp -a {0}/. {1}; cd {1}; sqlite3 db 'PRAGMA integrity_check; SELECT count(*) FROM t;'; rm -r {1}",
                folder.display(),
                copy.display()
            ))
        };
        let found = rows(&restored);
        assert!(found.starts_with("ok\n") && found == rows(&lab.at("standstill")), "{kind}: {found}");
        fs::remove_dir_all(&target).unwrap();
    }
}
