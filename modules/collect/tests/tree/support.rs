//! A place to collect from and restore to, and the foreign judges of what came of it.

use backup_adapters::host::{self, Now};
use backup_adapters::space::FileSystem;
use backup_archive::{Entry, Index};
use backup_collect::tree::{TreeCollector, TreeResult, TreeSpec};
use backup_core::job::Tolerance;
use backup_core::{Digest, GenerationRef};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A temporary folder with a source tree.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) spec: TreeSpec,
    stagings: AtomicU32,
}

/// A finished collection.
pub(crate) struct Made {
    pub(crate) staging: PathBuf,
    pub(crate) result: TreeResult,
    index: OnceCell<Index>,
}

/// The clocks, so much later: everything made until now is then safely old.
pub(crate) fn later(seconds: u64) -> impl Fn() -> Now {
    move || {
        let now = host::now();
        let shift = Duration::from_secs(seconds);
        Now { realtime: now.realtime + shift, boottime: now.boottime + shift }
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        assert!(backup_adapters::users::is_root(), "these tests need root");
        let folder = tempfile::Builder::new().prefix("tree").tempdir().unwrap();
        let trusted = FileSystem::of(folder.path()).unwrap().trustworthy_mtime();
        assert!(trusted, "these tests need TMPDIR on ext4, xfs or btrfs, where unchanged files are not read again");
        fs::create_dir(folder.path().join("src")).unwrap();
        let spec = TreeSpec {
            include: vec![folder.path().join("src")],
            exclude: Vec::new(),
            one_file_system: true,
            special_files: true,
            level: 3,
            large_file: 5 << 20,
            missing: Tolerance::Fail,
            empty: Tolerance::Allow,
            unreadable: Tolerance::Fail,
            skip: Vec::new(),
            threads: 3,
        };
        Self { folder, spec, stagings: AtomicU32::new(0) }
    }

    pub(crate) fn src(&self) -> PathBuf {
        self.folder.path().join("src")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.src().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Runs a shell script in the source tree.
    pub(crate) fn sh(&self, script: &str) {
        sh(&self.src(), script);
    }

    pub(crate) fn staging(&self) -> PathBuf {
        let number = self.stagings.fetch_add(1, Ordering::Relaxed);
        let staging = self.folder.path().join(format!("staging{number}"));
        fs::create_dir(&staging).unwrap();
        staging
    }

    pub(crate) fn collector(&self, base: Option<&Index>) -> (TreeCollector, PathBuf) {
        let staging = self.staging();
        (TreeCollector::new(self.spec.clone(), base.cloned(), &staging).unwrap(), staging)
    }

    /// One warm pass, `seconds` from now, and the finish.
    pub(crate) fn collect(&self, base: Option<&Index>, seconds: u64) -> Made {
        let (mut collector, staging) = self.collector(base);
        collector.warm(&later(seconds)).unwrap();
        Made::new(staging, collector.finish().unwrap())
    }

    /// Restores generations over each other with plain tools and demands that the result equals the source.
    pub(crate) fn assert_restores(&self, generations: &[&Made]) {
        let target = tempfile::Builder::new().prefix("restored").tempdir_in(self.folder.path()).unwrap();
        for made in generations {
            made.check_artifacts();
            restore(&made.staging, target.path());
        }
        assert_equal(&self.src(), &target.path().join(self.src().strip_prefix("/").unwrap()));
    }
}

impl Made {
    pub(crate) fn new(staging: PathBuf, result: TreeResult) -> Self {
        Self { staging, result, index: OnceCell::new() }
    }

    /// The index as it comes back from its stored form.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let generation = GenerationRef { id: "20261120T220000Z".parse().unwrap(), digest: Digest::of(b"seal") };
            let mut file = tempfile::tempfile().unwrap();
            self.result.index.as_ref().unwrap().store(&generation, &mut file).unwrap();
            Index::open(file, &generation).unwrap()
        })
    }

    pub(crate) fn catalog(&self) -> Vec<Entry> {
        let plain = output("zstd", &["-dc", self.staging.join("catalog.jsonl.zst").to_str().unwrap()]);
        plain.split_inclusive(|&byte| byte == b'\n').map(|line| Entry::parse(line).unwrap()).collect()
    }

    /// Names of the members, below the source.
    pub(crate) fn names(&self, place: &Place) -> Vec<String> {
        let src = place.src();
        let top = format!("{}/", src.strip_prefix("/").unwrap().display());
        let names = self.catalog().into_iter().map(|entry| String::from_utf8_lossy(&entry.path).into_owned());
        names.map(|name| name.strip_prefix(&top).unwrap_or("").to_owned()).collect()
    }

    /// Paths that `deleted.list` names, below the source.
    pub(crate) fn deleted(&self, place: &Place) -> Vec<String> {
        let src = place.src();
        let top = format!("{}/", src.strip_prefix("/").unwrap().display());
        let list = fs::read(self.staging.join("deleted.list")).unwrap();
        let paths = list.split(|&byte| byte == 0).filter(|path| !path.is_empty());
        paths.map(|path| String::from_utf8_lossy(path).strip_prefix(&top).unwrap().to_owned()).collect()
    }

    /// What the result says of each artifact, against sha256sum, stat and zstd.
    pub(crate) fn check_artifacts(&self) {
        let on_disk = output("sh", &["-c", &format!("cd '{}' && find . -type f | sort", self.staging.display())]);
        let on_disk: Vec<String> =
            String::from_utf8(on_disk).unwrap().lines().map(|line| line.trim_start_matches("./").to_owned()).collect();
        assert_eq!(on_disk, self.result.artifacts.keys().cloned().collect::<Vec<_>>());
        for (name, told) in &self.result.artifacts {
            let path = self.staging.join(name);
            assert_eq!(fs::metadata(&path).unwrap().len(), told.artifact.bytes, "{name}");
            let sum = |command: String| {
                String::from_utf8(output("sh", &["-c", &command])).unwrap().split(' ').next().unwrap().to_owned()
            };
            let compressed = path.extension().is_some_and(|extension| extension == "zst");
            let path = path.display();
            assert_eq!(sum(format!("sha256sum < '{path}'")), told.sha256.as_str(), "{name}");
            let plain = if compressed { format!("zstd -dc '{path}'") } else { format!("cat '{path}'") };
            assert_eq!(sum(format!("{plain} | sha256sum")), told.artifact.plain_sha256.as_str(), "{name}");
            assert_eq!(sum(format!("{plain} | wc -c")).trim(), told.artifact.plain_bytes.to_string(), "{name}");
        }
    }

    /// SHA-256 of each frame of the tar stream.
    pub(crate) fn frames(&self) -> Vec<String> {
        self.each_frame(|frame| Digest::of(frame).to_string())
    }

    /// Plain bytes that each frame of the tar stream declares.
    pub(crate) fn frame_sizes(&self) -> Vec<u64> {
        self.each_frame(|frame| zstd::zstd_safe::get_frame_content_size(frame).unwrap().unwrap())
    }

    fn each_frame<T>(&self, tell: impl Fn(&[u8]) -> T) -> Vec<T> {
        let bytes = fs::read(self.staging.join("data.tar.zst")).unwrap();
        let mut told = Vec::new();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (frame, after) = rest.split_at(zstd::zstd_safe::find_frame_compressed_size(rest).unwrap());
            told.push(tell(frame));
            rest = after;
        }
        told
    }
}

pub(crate) fn output(program: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(crate) fn sh(folder: &Path, script: &str) {
    let output = Command::new("bash").args(["-euc", script]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The documented sequence: remove, extract, patch.
fn restore(generation: &Path, target: &Path) {
    let script = format!(
        r#"g='{}'
        if [ -e "$g/deleted.list" ]; then xargs -0 -r rm -rf -- <"$g/deleted.list"; fi
        tar --zstd --numeric-owner --xattrs --xattrs-include='*' --acls -xpf "$g/data.tar.zst" 2>"$g/../tar.err"
        ! grep -v 'time stamp .* in the future' "$g/../tar.err"
        for parts in "$g"/patches/*.parts; do
            [ -e "$parts" ] || continue
            zstd -dc "${{parts%.parts}}.zst" >"$g/../plain"
            at=0
            while read -r first second; do
                case $first in
                    path) file=$(printf '%b.' "$second"); file=${{file%.}} ;;
                    size) size=$second ;;
                    mtime) mtime=$second ;;
                    sha256) sha256=$second ;;
                    *) dd if="$g/../plain" of="$file" iflag=skip_bytes,count_bytes oflag=seek_bytes skip=$at \
                        count="$second" seek="$first" conv=notrunc bs=1M 2>/dev/null; at=$((at + second)) ;;
                esac
            done <"$parts"
            truncate -s "$size" "$file"
            touch -d "@$mtime" "$file"
            echo "$sha256  -" | sha256sum -c --quiet - <"$file" 2>/dev/null || [ "$(sha256sum <"$file")" = "$sha256  -" ]
        done"#,
        generation.display()
    );
    sh(target, &script);
}

/// Contents and metadata, by foreign judges.
pub(crate) fn assert_equal(one: &Path, other: &Path) {
    let listing = r"find . -printf '%P %y %T@ %m %U %G %n %l ' \( -type d -printf '\n' -o -printf '%s\n' \) | sort -z";
    for judge in
        [listing, "getfacl -Rnp . 2>/dev/null", "getfattr -R -d -h -m - -e hex . 2>/dev/null | sed 's/^# file: //'"]
    {
        let told = |folder: &Path| {
            let told = Command::new("bash").args(["-c", judge]).current_dir(folder).output().unwrap();
            String::from_utf8_lossy(&told.stdout).into_owned()
        };
        let (one, other) = (told(one), told(other));
        if one != other {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
            let (one, other) = (lines(&one), lines(&other));
            let (left, right): (Vec<_>, Vec<_>) = (one.difference(&other).collect(), other.difference(&one).collect());
            panic!("{judge}\nonly in the source: {left:#?}\nonly restored: {right:#?}");
        }
    }
    // Contents last: where names or types differ, the listing says it better.
    let script = format!("diff -r --no-dereference '{}' '{}'", one.display(), other.display());
    let told = Command::new("sh").args(["-c", &script]).output().unwrap();
    let complaints = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    // diff cannot compare pipes and devices; the listing has.
    let serious: Vec<_> = complaints
        .lines()
        .filter(|line| !(line.contains(" is a fifo") || line.contains("special file") || line.contains("a device")))
        .collect();
    assert!(serious.is_empty(), "{serious:#?}");
}
