//! Everything odd that a tree can hold, as a full and, changed in every way, as an incremental: what our restore and
//! plain tools bring back is what was there.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use backup_tests::executables::{Executable, sh};
use backup_tests::lab::{Host, Lab, Way};
use backup_tests::{oracle, plain};
use serde_json::json;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// One of everything. Names: newline, not UTF-8, leading dash and blank, wildcard, backslash, longest, quotes.
const FILL: &str = r#"
mkdir -p plain/empty types links times attr sparse special
seq 1 4000 > plain/list; : > plain/nothing; head -c 6000000 /dev/urandom > plain/above-a-frame
n=$(printf 'a\nb'); echo nl > "plain/$n"; mkdir "plain/d$n"; echo in > "plain/d$n/x"
n=$(printf '\377\376bytes'); echo raw > "plain/$n"; ln -s "$n" "links/$n"
for n in '-rf' ' blank ' '*' 'back\slash' "quo'te" 'dou"ble' 'a%sb' '$(id)'; do echo "$n" > "plain/$n"; done
echo long > plain/$(printf 'l%.0s' $(seq 255))
echo 1 > types/file-to-directory; echo 2 > types/file-to-link; mkdir -p types/directory-to-file/in types/directory-to-link/in
echo 3 > types/directory-to-file/in/x; echo 4 > types/directory-to-link/in/x; ln -s file types/link-to-file; ln -s . types/link-to-directory
mkfifo types/fifo-to-file; echo 5 > types/file-to-fifo
echo one > links/one; ln links/one links/two; ln links/one plain/three; ln -s /nowhere/at/all links/dangling; ln -s .. links/up
echo apart > links/apart; ln links/apart links/together; ln -s target links/soft; ln links/soft links/soft-again
for t in '1903-05-06 07:08:09.123456789' '1969-12-31 23:59:59.999999999' '1970-01-01 00:00:00' '2400-02-29 12:00:00.000000001'; do
    echo t > "times/$t"; TZ=UTC touch -d "$t" "times/$t"; ln -s x "times/l$t"; TZ=UTC touch -h -d "$t" "times/l$t"; done
mkdir times/old; echo x > times/old/x; touch -d 1999-01-01 times/old
echo c > attr/capable; setcap cap_net_raw,cap_net_bind_service+ep attr/capable
echo u > attr/setuid; chown 1234:4321 attr/setuid; chmod 6755 attr/setuid; mkdir attr/sticky; chmod 3777 attr/sticky
echo a > attr/acl; setfacl -m u:77:rw,g:88:r,m::rw attr/acl; mkdir attr/default; setfacl -m u:5:rwx -d -m u:6:r attr/default
echo x > attr/x; setfattr -n user.colour -v red attr/x; setfattr -n user.binary -v 0x00ff0a3d attr/x; setfattr -n trusted.t -v t attr/x
setfattr -n user.empty attr/x; setfattr -n user.large -v "$(printf 'v%.0s' $(seq 3000))" attr/x; setfattr -h -n trusted.l -v l links/dangling
mkdir attr/read-only; echo x > attr/read-only/x; chmod 400 attr/read-only/x; chmod 555 attr/read-only; echo n > attr/none; chmod 0 attr/none
truncate -s 100M sparse/holes; printf x | dd of=sparse/holes bs=1 seek=50000000 conv=notrunc status=none
truncate -s 3M sparse/only-hole; seq 1 100000 > sparse/tail; truncate -s 9M sparse/tail
mkfifo special/fifo; mknod special/null c 1 3; mknod special/loop b 7 0; chmod 640 special/null; chown 7:8 special/fifo
"#;

/// What a day may change.
const CHANGE: &str = r#"
n=$(printf 'a\nb'); echo other > "plain/$n"; rm -r "plain/d$n"; n=$(printf '\377\376bytes'); echo more >> "plain/$n"
rm -- 'plain/*' plain/nothing; echo new > 'plain/*new'; rmdir plain/empty; mkdir plain/empty-too; mv plain/-rf plain/-fr
rm types/file-to-directory; mkdir types/file-to-directory; echo x > types/file-to-directory/x
rm types/file-to-link; ln -s elsewhere types/file-to-link; rm -r types/directory-to-file; echo now > types/directory-to-file
rm -r types/directory-to-link; ln -s ../plain types/directory-to-link; rm types/link-to-file; echo now > types/link-to-file
rm types/link-to-directory; mkdir types/link-to-directory; echo in > types/link-to-directory/in
rm types/fifo-to-file; echo now > types/fifo-to-file; rm types/file-to-fifo; mkfifo types/file-to-fifo
echo both >> links/one; rm links/together; echo alone > links/together; ln links/apart links/again; ln plain/list links/list
rm links/soft; ln -s other links/soft; touch -h -d 2001-01-01 links/dangling
touch -d 2011-11-11 times/old/x; touch -d 1998-01-01 times/old
chown 4:4 attr/setuid; setcap cap_sys_time+ep attr/capable; setfacl -x u:77 attr/acl; setfacl -k attr/default
setfattr -x user.colour attr/x; setfattr -n user.binary -v 0x01 attr/x; chmod 500 attr/read-only; chmod 200 attr/none
cp -p plain/list same; tr 0-9 1-90 < same > plain/list; touch -r same plain/list; rm same
printf y | dd of=sparse/holes bs=1 seek=70000000 conv=notrunc status=none; truncate -s 5M sparse/only-hole; fallocate -p -o 0 -l 65536 sparse/tail
rm special/null; mknod special/null c 1 5; chmod 600 special/fifo
"#;

/// Folders in folders, as deep as a path can be, from inside: no tool takes the whole name.
const DEEP: &str = r"
d=$(printf 'd%.0s' $(seq 190)); mkdir deep; cd deep
while [ $(pwd | wc -c) -lt 3850 ]; do mkdir $d; cd $d; done
f=$(printf 'f%.0s' $(seq $((4090 - $(pwd | wc -c))))); echo deep > $f; ln -s deep l
# GNU tar sets attributes by a name that is somewhat longer than the path.
echo a > a; setfattr -n user.depth -v deep a; setfacl -m u:77:r a
";

fn in_srv(lab: &Lab, script: &str) {
    sh(&format!("cd {}; {script}", lab.srv().display()));
}

fn reference(lab: &Lab, name: &str) -> PathBuf {
    let copy = lab.at(name);
    sh(&format!("cp -a --sparse=always {} {}", lab.srv().display(), copy.display()));
    sh(&format!("find {} -type s -delete", copy.display()));
    // Deleting it has moved the time of its folder.
    sh(&format!("touch -r {}/special {}/special", lab.srv().display(), copy.display()));
    copy
}

/// By our executable, by restore.sh under dash and, a full, by the one tar command.
fn comes_back(lab: &Lab, id: &str, is_full: bool, wanted: &Path) {
    lab.restores_to(id, wanted, "ours");
    plain::by_script(lab, id, wanted);
    if is_full {
        plain::by_tar(lab, id, wanted);
    }
}

#[test]
fn a_tree_of_everything_comes_back() {
    let mut lab = Lab::new(Way::Push);
    lab.change(&json!({"streams": {"data": {"special_files": true}}}));
    in_srv(&lab, FILL);
    in_srv(&lab, DEEP);
    // A socket is what a process listens to: it is counted and left out.
    let socket = UnixListener::bind(lab.srv().join("special/socket")).unwrap();
    sh(&format!("touch -d 2005-05-05 {}/special", lab.srv().display()));

    let full = lab.collect(&[]);
    let at_full = reference(&lab, "r1");
    let manifest = fs::read_to_string(lab.here("data", "handover").join(&full).join("manifest.json")).unwrap();
    assert!(manifest.contains("\"sockets_skipped\": 1"), "{manifest}");
    lab.transport().good();
    comes_back(&lab, &full, true, &at_full);

    in_srv(&lab, CHANGE);
    let incremental = lab.collect(&["--kind", "incremental"]);
    let at_incremental = reference(&lab, "r2");
    lab.transport().good();
    comes_back(&lab, &incremental, false, &at_incremental);
    drop(socket);
    fs::remove_file(lab.srv().join("special/socket")).unwrap();

    // In place, from the day after back to that day and to the day before it.
    in_srv(&lab, "rm -rf plain links attr; echo x > attr");
    for (id, wanted) in [(&incremental, &at_incremental), (&full, &at_full)] {
        let words = ["run", "--from", "sink_store", "--generation", id];
        assert_eq!(lab.call(Host::Source, Executable::Restore, &words).good()["changed"], true);
        oracle::same(wanted, &lab.srv());
        assert_eq!(lab.call(Host::Source, Executable::Restore, &words).good()["changed"], false);
    }
}

#[test]
fn special_files_stay_out_unless_they_are_asked_for() {
    let lab = Lab::new(Way::Push);
    in_srv(&lab, "echo x > x; mkfifo fifo; mknod null c 1 3; touch -d 2020-01-01 .");
    let id = lab.collect(&[]);
    lab.transport().good();
    in_srv(&lab, "rm fifo null; touch -d 2020-01-01 .");
    comes_back(&lab, &id, true, &lab.srv());
}

/// Cuts the middle frame out of data.tar.zst: plain tar does not notice (exit status 0, files missing).
const CUT: &str = r#"
set -- $(zstd -dcq catalog.jsonl.zst | sed -n 's/.*"at": *\[\([0-9]*\),.*/\1/p' | sort -n | uniq)
[ $# -ge 5 ]; shift $(($# / 2)); from=$1; to=$2
head -c $from data.tar.zst > cut; tail -c +$((to + 1)) data.tar.zst >> cut; mv cut data.tar.zst
tar --zstd -tf data.tar.zst > /dev/null
"#;

#[test]
fn a_frame_that_is_missing_is_noticed() {
    let lab = Lab::new(Way::Push);
    in_srv(&lab, "for i in $(seq 40); do mkdir d$i; head -c 300000 /dev/urandom > d$i/f; done");
    let id = lab.collect(&[]);
    lab.transport().good();
    let store = lab.there("data", "store");
    let generation = store.join(&id).display().to_string();
    sh(&format!("cd {generation}; {CUT}"));
    let reseal = "for f in data.tar.zst; do s=$(sha256sum $f); sed -i \"s|.*  $f|$s|\" SHA256SUMS; done; sha256sum --quiet -c SHA256SUMS";
    for (what, script) in [("the seal tells", ":"), ("the seal agrees, the manifest tells", reseal)] {
        sh(&format!("cd {generation}; {script}"));
        let target = lab.at("out");
        let plain = format!(
            "dash {}/restore.sh {generation} {} 2>&1",
            store.ancestors().nth(2).unwrap().display(),
            target.display()
        );
        let said = sh(&format!("{plain} && echo NOTICED NOTHING; true"));
        assert!(!said.contains("NOTICED NOTHING"), "{what}: {said}");
        assert!(said.contains("is damaged") || said.contains("part of it is missing or wrong"), "{what}: {said}");
        sh(&format!("rm -rf {}", target.display()));

        for place in [target.to_str().unwrap(), "live"] {
            sh(&format!("echo changed > {}/d1/f", lab.srv().display()));
            let spoilt = oracle::digests(&lab.srv());
            let words = ["run", "--from", "sink_store", "--target", place, "--allow-unsigned"];
            lab.call(Host::Source, Executable::Restore, &words).failed("damaged");
            assert_eq!(oracle::digests(&lab.srv()), spoilt, "{what}: the live tree is as before");
            let complete = target.exists() && !target.join(".restore-incomplete").exists();
            assert!(!complete || fs::read_dir(&target).unwrap().next().is_none(), "{what}");
        }
    }
}
