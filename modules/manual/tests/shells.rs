//! The shells themselves load the completions and complete with them, from where they look by themselves.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use std::path::Path;
use support::{Made, said};

/// Makes the completions look for jobs in a folder with a source's job and a sink's, and with what no job is called.
fn with_jobs(made: &Made) {
    let jobs = made.at("jobs");
    std::fs::create_dir_all(jobs.join("web1")).unwrap();
    for name in ["shop.yml", "web1/mail.yml", "README", "$(touch pwned).yml", "`touch pwned`.yml", "a b.yml"] {
        std::fs::write(jobs.join(name), "").unwrap();
    }
    for file in made.completions() {
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("/etc/handover/jobs", jobs.to_str().unwrap())).unwrap();
    }
}

/// What bash offers for the last of these words, having found the completion by itself.
fn bash(made: &Made, words: &[&str]) -> Vec<String> {
    let script = r#"
        . /usr/share/bash-completion/bash_completion
        _completion_loader "$1"
        read -ra words < <(complete -p "$1") # complete ... -F FUNCTION ... NAME
        for ((at = 0; at < ${#words[@]}; at++)); do [ "${words[at]}" != -F ] || function=${words[at + 1]}; done
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let share = made.at("usr/local/share");
    said("bash", &[&["-c", script, "bash"], words].concat(), &[("XDG_DATA_DIRS", share.to_str().unwrap())])
}

/// What fish offers for an unfinished line.
fn fish(made: &Made, line: &str) -> Vec<String> {
    let file = made.at("etc/fish/completions").join(format!("{}.fish", line.split(' ').next().unwrap()));
    let script = format!("source {}; complete --do-complete '{line}'", file.display());
    let offered = said("fish", &["--no-config", "--command", &script], &[]);
    offered.iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

/// What becomes of an unfinished line in an interactive zsh that completes it before it reads anything.
fn zsh(made: &Made, line: &str) -> String {
    let functions = made.at("usr/local/share/zsh/site-functions");
    let answer = made.at("answer");
    std::fs::write(
        made.at(".zshrc"),
        "fpath=($FUNCTIONS $fpath); autoload -Uz compinit; compinit -u -D
        zle-line-init() {
            BUFFER=$UNFINISHED CURSOR=$#UNFINISHED
            zle complete-word
            print -r -- $BUFFER >$ANSWER
            exit
        }
        zle -N zle-line-init
        ",
    )
    .unwrap();
    // It wants a terminal; what it draws there is read until it has gone.
    let script = "zmodload zsh/zpty; zpty shell zsh -d -i; while zpty -r shell drawn; do :; done; zpty -d shell";
    let environment = [
        ("ZDOTDIR", made.at("").into_os_string()),
        ("FUNCTIONS", functions.into_os_string()),
        ("UNFINISHED", line.into()),
        ("ANSWER", answer.clone().into_os_string()),
        ("TERM", "dumb".into()),
    ];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.to_str().unwrap()));
    said("zsh", &["-f", "-c", script], &environment);
    let completed = std::fs::read_to_string(&answer).unwrap();
    std::fs::remove_file(answer).unwrap();
    completed.trim_end_matches('\n').to_owned()
}

#[test]
fn bash_completes_actions_options_values_and_jobs() {
    let made = Made::new();
    with_jobs(&made);
    assert_eq!(bash(&made, &["backup_collect", "st"]), ["status"]);
    assert_eq!(bash(&made, &["backup_transport", "fetch", "shop", "--gen"]), ["--generation"]);
    assert_eq!(bash(&made, &["backup_restore", "run", "shop", "--mode", ""]), ["replace", "merge"]);
    assert_eq!(bash(&made, &["backup_rotate", "run", "s"]), ["shop"]);
    assert_eq!(bash(&made, &["backup_job", "stop", "w"]), ["web1/mail"]);
    assert!(bash(&made, &["backup_collect", "run", ""]).iter().all(|word| !word.contains(['$', '`'])));
    assert!(!Path::new("pwned").exists());
    for executable in made.executables() {
        assert_eq!(bash(&made, &[&executable, "--vers"]), ["--version"]);
    }
}

#[test]
fn fish_completes_actions_options_values_and_jobs() {
    let made = Made::new();
    with_jobs(&made);
    assert_eq!(fish(&made, "backup_transport "), ["adopt", "deliver", "fetch", "plan", "run", "status"]);
    assert_eq!(fish(&made, "backup_transport fetch shop --gen"), ["--generation"]);
    assert_eq!(fish(&made, "backup_restore run shop --mode "), ["merge", "replace"]);
    assert_eq!(fish(&made, "backup_rotate run "), ["shop", "web1/mail"]);
    for executable in made.executables() {
        assert_eq!(fish(&made, &format!("{executable} --vers")), ["--version"]);
    }
}

#[test]
fn zsh_completes_actions_options_values_and_jobs() {
    let made = Made::new();
    with_jobs(&made);
    assert_eq!(zsh(&made, "backup_collect sta"), "backup_collect status ");
    assert_eq!(zsh(&made, "backup_transport fetch shop --gen"), "backup_transport fetch shop --generation=");
    assert_eq!(zsh(&made, "backup_restore run shop --mode=m"), "backup_restore run shop --mode=merge ");
    assert_eq!(zsh(&made, "backup_rotate run sh"), "backup_rotate run shop ");
    assert_eq!(zsh(&made, "backup_job stop w"), "backup_job stop web1/mail ");
    for executable in made.executables() {
        assert_eq!(zsh(&made, &format!("{executable} --vers")), format!("{executable} --version "));
    }
}

#[test]
fn the_shells_and_man_look_where_the_files_are_put() {
    assert!(said("zsh", &["-f", "-c", "print -l $fpath"], &[]).contains(&"/usr/local/share/zsh/site-functions".into()));
    let fish = said("fish", &["--command", "printf '%s\\n' $fish_complete_path"], &[]);
    assert!(fish.contains(&"/etc/fish/completions".into()), "{fish:?}");
    let man = said("manpath", &["--quiet"], &[]).join(":");
    assert!(man.split(':').any(|folder| folder == "/usr/local/share/man"), "{man}");
    // bash-completion says it in its own text only; where it is told, it looks at the same place below.
    let loader = std::fs::read_to_string("/usr/share/bash-completion/bash_completion").unwrap();
    assert!(loader.contains("${XDG_DATA_DIRS:-/usr/local/share:/usr/share}"));
}
