//! Incrementals: exactly what differs from the base, restored over it.

use crate::support::{Made, Place, later};
use std::fs;

/// A tree with something of everything.
const TREE: &str = r"mkdir -p a/b c todir gonedir/deep same; echo 1 >a/f1; echo 2 >a/b/f2; ln a/f1 a/h1; ln a/f1 c/h2
    echo x >c/gone; echo y >tofile; echo z >todir/z; ln -s a/f1 sl; echo g >gonedir/deep/g; echo s >same/s
    head -c 12M /dev/urandom >big; head -c 9M /dev/urandom >rewritten; echo m >mode; mkfifo pipe";

fn full(place: &Place) -> crate::support::Made {
    place.sh(TREE);
    place.collect(None, 3600)
}

#[test]
fn what_changed_comes_back_over_the_base() {
    let place = Place::new();
    let base = full(&place);
    place.sh(
        "echo 11 >a/b/f2; touch -d 2020-01-01 a/b; rm c/gone tofile a/h1; mkdir tofile; echo q >tofile/q; rm -r todir gonedir
        echo w >todir; echo new >n1; ln n1 n2; ln -sfn nowhere sl; chmod 600 mode; rm pipe; echo p >pipe
        dd if=/dev/urandom of=big bs=4096 seek=1000 count=40 conv=notrunc status=none; head -c 100 /dev/urandom >>big
        head -c 9M /dev/urandom >rewritten",
    );
    let made = place.collect(Some(base.index()), 3600);
    place.assert_restores(&[&base, &made]);
    assert_eq!(made.deleted(&place), ["a/h1", "c/gone", "gonedir", "pipe", "todir", "tofile"]);
    let names = made.names(&place);
    assert!(!names.iter().any(|name| name.starts_with("same")), "{names:?}");
    // The new link set is complete, and so are the directories around. Of the old one a name is gone, no more.
    for name in ["a", "c", "a/b", "a/b/f2", "n1", "n2", "big", "rewritten", "mode", "sl"] {
        assert!(names.iter().any(|other| other == name), "{name} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name == "a/f1" || name == "c/h2"), "{names:?}");
    assert_eq!(made.result.counts.patched, 1);
    assert!(made.result.artifacts["patches/1.zst"].artifact.plain_bytes <= 5 * 65536);
    assert!(made.result.index.is_none());
}

#[test]
fn nothing_changed_is_nothing_read_and_nothing_stored() {
    let place = Place::new();
    let base = full(&place);
    let (mut collector, _) = place.collector(Some(base.index()));
    let stats = collector.warm(&crate::support::later(3600)).unwrap();
    assert_eq!((stats.read, stats.read_bytes), (0, 0));
    let result = collector.finish().unwrap();
    assert_eq!(result.artifacts["data.tar.zst"].artifact.plain_bytes, 1024);
    assert_eq!(result.artifacts["deleted.list"].artifact.bytes, 0);
    assert_eq!(result.tree, base.result.tree);
    assert_eq!(result.counts.files, 0);
}

#[test]
fn touched_but_equal_files_are_read_and_not_stored() {
    let place = Place::new();
    let base = full(&place);
    // The inode's time moves, and nothing that a restore would bring back.
    place.sh("chmod 600 same/s; chmod 644 same/s; cp -p a/b/f2 copy; mv copy a/b/f2; touch -d '2012-12-12' a/b");
    let made = place.collect(Some(base.index()), 3600);
    let names = made.names(&place);
    assert!(!names.iter().any(|name| name == "same/s" || name == "a/b/f2"), "{names:?}");
    assert!(names.iter().any(|name| name == "a/b"));
    place.assert_restores(&[&base, &made]);
}

#[test]
fn metadata_alone_is_a_difference() {
    let place = Place::new();
    place.sh("for n in 1 2 3 4 5; do head -c 6M /dev/urandom >large$n; echo $n >small$n; done; mkdir d");
    let base = place.collect(None, 3600);
    place.sh("chown 5:6 large1 small1; chmod 640 large2 small2; setfattr -n user.a -v b large3 small3 d
        touch -d '2011-11-11' large4 small4; setfacl -m u:3:r small5");
    let made = place.collect(Some(base.index()), 3600);
    place.assert_restores(&[&base, &made]);
    // Only the time: a patch without a block. Owner, mode and attributes: a member.
    assert_eq!(made.result.counts.patched, 1);
    assert_eq!(made.result.artifacts["patches/1.zst"].artifact.plain_bytes, 0);
}

#[test]
fn patches_grow_shrink_and_join_blocks() {
    let place = Place::new();
    // Where single bytes are written below, none of them may have been there by chance.
    place.sh("for n in grow shrink; do head -c 10000001 /dev/urandom >$n; done; truncate -s 20M sparse
        for n in 'odd name' edge; do head -c 10000001 /dev/zero | tr '\\0' a >\"$n\"; done");
    let base = place.collect(None, 3600);
    place.sh("head -c 7M /dev/urandom >>grow; truncate -s 6000000 shrink
        for at in 65535 131072 9999999; do printf X | dd of='odd name' bs=1 seek=$at conv=notrunc status=none; done
        printf XX | dd of=edge bs=1 seek=4194303 conv=notrunc status=none
        dd if=/dev/urandom of=sparse bs=64K seek=100 count=2 conv=notrunc status=none");
    let made = place.collect(Some(base.index()), 3600);
    place.assert_restores(&[&base, &made]);
    assert_eq!(made.result.counts.patched, 5);
    let parts = |n: u32| fs::read_to_string(made.staging.join(format!("patches/{n}.parts"))).unwrap();
    let all: Vec<String> = (1..=5).map(parts).collect();
    let odd = all.iter().find(|text| text.contains("odd\\0040name")).unwrap();
    let lines: Vec<&str> = odd.lines().skip(4).collect();
    assert_eq!(lines, ["0 65536", "131072 65536", "9961472 38529"]);
    let edge = all.iter().find(|text| text.contains("/edge\n")).unwrap();
    assert_eq!(edge.lines().nth(4).unwrap(), "4128768 131072");
}

#[test]
fn hard_link_sets_move_as_one() {
    let place = Place::new();
    place.sh("mkdir d e; echo 1 >d/a; ln d/a d/b; ln d/a e/c; echo 2 >d/x; ln d/x d/y; echo 3 >d/p; ln d/p e/q");
    let base = place.collect(None, 3600);
    // The first name goes, one is cut off the set, one joins.
    place.sh("rm d/a; cp -p d/y new; mv new d/y; ln d/p d/0first");
    let made = place.collect(Some(base.index()), 3600);
    place.assert_restores(&[&base, &made]);
}

#[test]
fn what_is_not_looked_at_any_more_is_gone() {
    let mut place = Place::new();
    let base = full(&place);
    place.spec.exclude = vec!["/**/src/a/b".into(), "big".into()];
    let made = place.collect(Some(base.index()), 3600);
    assert_eq!(made.deleted(&place), ["a/b", "big"]);
}

#[test]
fn a_base_within_its_margin_is_read_again() {
    let place = Place::new();
    place.write("f", "1");
    // T0 of the base is now: the file is younger than T0 - 2 s.
    let base = place.collect(None, 0);
    let (mut collector, _) = place.collector(Some(base.index()));
    let stats = collector.warm(&crate::support::later(0)).unwrap();
    assert!(stats.read >= 1);
    assert_eq!(collector.finish().unwrap().counts.files, 0);
}

#[test]
fn attributes_that_a_directory_gained_or_changed_do_not_cost_what_is_in_it() {
    let place = Place::new();
    place.sh(
        "for d in gained changed acl default; do mkdir $d; echo x >$d/f; done; setfattr -n user.a -v b changed gained
        setfattr -n security.label -v old changed; setfacl -m u:3:r acl; setfacl -d -m u:3:r,g:4:rwx default",
    );
    let base = place.collect(None, 3600);
    place.sh("setfattr -n user.b -v c gained; setfacl -m u:4:r gained; setfattr -n security.label -v new changed
        setfattr -n user.a -v c changed; setfacl -m u:3:rw,u:4:x acl; setfacl -d -x g:4 default; setfacl -d -m u:3:rwx default");
    let made = place.collect(Some(base.index()), 3600);
    assert_eq!(made.deleted(&place), <[String; 0]>::default());
    assert_eq!(made.names(&place), ["", "acl", "changed", "default", "gained"]);
    place.assert_restores(&[&base, &made]);
    // An access list without entries is a list lost.
    place.sh("setfacl -b acl; setfacl -k default");
    let made = place.collect(Some(base.index()), 3600);
    assert_eq!(made.deleted(&place), ["acl", "default"]);
    place.assert_restores(&[&base, &made]);
}

#[test]
fn an_attribute_that_a_directory_lost_does_not_come_back() {
    let place = Place::new();
    place.sh("mkdir -p d/deep beside; echo f >d/deep/f; head -c 9M /dev/urandom >d/large; ln d/deep/f outside
        setfattr -n user.a -v b d; setfattr -n user.b -v c d; setfattr -n user.a -v b beside");
    let base = place.collect(None, 3600);
    place.sh("setfattr -x user.a d; setfattr -x user.a beside; setfattr -n user.c -v d beside; printf xxxxxxxx | dd of=d/large bs=1 seek=99 conv=notrunc status=none");
    let made = place.collect(Some(base.index()), 3600);
    assert_eq!(made.deleted(&place), ["beside", "d"]);
    assert_eq!((made.names(&place), made.result.counts.patched), {
        let names = ["", "beside", "d", "d/deep", "d/deep/f", "d/large", "outside"];
        (names.map(str::to_owned).to_vec(), 0)
    });
    place.assert_restores(&[&base, &made]);

    // Noticed only in the cold pass, after what is in it was found to be as before, or was patched.
    place.sh("setfattr -n user.a -v b d beside; setfattr -x user.c beside");
    let (mut collector, staging) = place.collector(Some(base.index()));
    collector.warm(&later(3600)).unwrap();
    place.sh("setfattr -x user.b d");
    collector.cold(&later(3600)).unwrap();
    let made = Made::new(staging, collector.finish().unwrap());
    assert_eq!(made.deleted(&place), ["d"]);
    place.assert_restores(&[&base, &made]);
}
