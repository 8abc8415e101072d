//! Completions for bash, zsh and fish: clap's, and the names of this host's jobs, which clap cannot know.

use crate::{FISH, SHARE, Written};
use clap::Command;
use clap_complete::{Shell, generate};

/// Prints the names of this host's jobs. bash expands what it completes from once more: nothing but plain names may pass.
const JOBS: &str = r"find /etc/handover/jobs -name '*.yml' -printf '%P\n' 2>/dev/null | sed -n 's,^\([a-z0-9][a-z0-9._/-]*\)\.yml$,\1,p'";
const JOB: &str = "job";

pub(crate) fn all(grammar: &Command, name: &str) -> Vec<Written> {
    let actions: Vec<&str> = grammar
        .get_subcommands()
        .filter(|action| action.get_positionals().any(|word| word.get_id() == JOB))
        .map(Command::get_name)
        .collect();
    let made = |shell| {
        let mut bytes = Vec::new();
        generate(shell, &mut grammar.clone(), name, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    };
    [
        (format!("{SHARE}/bash-completion/completions/{name}"), bash(&made(Shell::Bash), name, &actions)),
        (format!("{SHARE}/zsh/site-functions/_{name}"), zsh(&made(Shell::Zsh), name)),
        (format!("{FISH}/{name}.fish"), fish(&made(Shell::Fish), name, &actions)),
    ]
    .into_iter()
    .map(|(path, text)| Written { path: path.into(), text })
    .collect()
}

/// The words of an action are in a variable `opts`.
fn bash(made: &str, name: &str, actions: &[&str]) -> String {
    let own = format!("{name}__jobs() {{\n    {JOBS}\n}}\n\n");
    actions.iter().fold(own + made, |text, action| {
        let words = format!("{name}__subcmd__{action})\n            opts=\"");
        text.replacen(&words, &format!("{words}$({name}__jobs) "), 1)
    })
}

/// A word is described as `':job -- help:_default'`, or with two colons where it may be left away.
fn zsh(made: &str, name: &str) -> String {
    let mut text = String::new();
    for line in made.lines() {
        let of_job = line.trim_start_matches([':', '\'']).starts_with("job -- ");
        match line.strip_suffix(":_default' \\").filter(|_| of_job) {
            Some(described) => text.extend([described, ":_", name, "_jobs' \\\n"]),
            None => text.extend([line, "\n"]),
        }
        if line == "autoload -U is-at-least" {
            text.extend(["\n_", name, "_jobs() {\n    compadd -- ${(f)\"$(", JOBS, ")\"}\n}\n"]);
        }
    }
    text
}

fn fish(made: &str, name: &str, actions: &[&str]) -> String {
    let condition = format!("__fish_{name}_using_subcommand {}", actions.join(" "));
    let jobs = format!("function __fish_{name}_jobs\n    {JOBS}\nend\n");
    match actions {
        [] => made.to_owned(),
        _ => format!("{made}\n{jobs}complete -c {name} -n \"{condition}\" -f -a \"(__fish_{name}_jobs)\" -d Job\n"),
    }
}
