//! Random changes: whatever happened, full and incremental restore to what is there.

use crate::support::{Made, Place, later};
use proptest::prelude::*;

/// One change, as a shell line. Names are few, so that changes meet.
fn change() -> impl Strategy<Value = String> {
    let name = || prop_oneof!["[abc]", "[ab]/[cd]", "a/b/[cd]"];
    let size = || prop_oneof![0u32..3000, 100_000u32..120_000];
    prop_oneof![
        (name(), size())
            .prop_map(|(n, s)| format!("mkdir -p $(dirname {n}); [ -d {n} ] || head -c {s} /dev/urandom >{n}")),
        (name(), 0u32..3000).prop_map(|(n, s)| format!("[ -f {n} ] && head -c {s} /dev/urandom >>{n}")),
        name().prop_map(|n| format!("rm -rf {n}")),
        (name(), name()).prop_map(|(n, m)| format!("[ -e {m} ] || mv -T {n} {m}")),
        (name(), name()).prop_map(|(n, m)| format!("[ -f {n} ] && ln {n} {m}")),
        (name(), name()).prop_map(|(n, m)| format!("[ -f {n} ] && ln -f {n} {m}")),
        (name(), name()).prop_map(|(n, m)| format!("[ -e {m} ] || ln -s {n} {m}")),
        name().prop_map(|n| format!("[ -e {n} ] || mkdir -p {n}")),
        (name(), 0u32..8).prop_map(|(n, m)| format!("[ -e {n} ] && chmod 7{m}{m} {n}")),
        (name(), 0u32..9).prop_map(|(n, u)| format!("[ -e {n} ] && chown -h {u}:{u} {n}")),
        (name(), 0u32..9).prop_map(|(n, t)| format!("[ -e {n} ] && touch -hd @{t}.5 {n}")),
        (name(), 0u32..9).prop_map(|(n, v)| format!("[ -f {n} ] && setfattr -n user.x -v {v} {n}")),
        (0u32..200, 1u32..9).prop_map(|(at, count)| format!(
            "[ -f big ] && dd if=/dev/urandom of=big bs=32K seek={at} count={count} conv=notrunc status=none"
        )),
        (4u32..9).prop_map(|size| format!("head -c {size}M /dev/urandom >big")),
        (1u32..9).prop_map(|size| format!("truncate -s {size}M big")),
        Just("ln big b/bighard; ln -f a c".to_owned()),
    ]
}

/// Changes that are impossible as the tree happens to be do nothing.
fn script() -> impl Strategy<Value = String> {
    let line = change().prop_map(|line| format!("{{ {line}; }} 2>/dev/null || true"));
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

fn collect(place: &Place, base: Option<&Made>, warm: &str, cold: &str) -> Made {
    let (mut collector, staging) = place.collector(base.map(Made::index));
    collector.warm(&later(3600)).unwrap();
    place.sh(warm);
    collector.warm(&later(3600)).unwrap();
    place.sh(cold);
    collector.cold(&later(3600)).unwrap();
    Made::new(staging, collector.finish().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn any_history_restores(scripts in proptest::array::uniform6(script())) {
        let place = Place::new();
        let [first, warm, cold, between, warm_again, cold_again] = scripts;
        place.sh(&first);
        let full = collect(&place, None, &warm, &cold);
        place.assert_restores(&[&full]);
        place.sh(&between);
        let incremental = collect(&place, Some(&full), &warm_again, &cold_again);
        place.assert_restores(&[&full, &incremental]);
    }
}
