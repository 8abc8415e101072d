//! Man pages: one for the executable, one for each action. `man backup_collect run` finds the latter, too.

use crate::{SHARE, Written};
use backup_core::Kind;
use backup_interface::Described;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

pub(crate) fn all(executable: Described) -> Vec<Written> {
    let Described { module, grammar } = executable;
    let mut grammar = grammar.subcommand_help_heading("ACTIONS").subcommand_value_name("ACTION");
    grammar.build();
    let names: Vec<String> = grammar.get_subcommands().map(|action| page_name(module.name, action)).collect();
    let mut pages: Vec<Written> = grammar
        .get_subcommands()
        .map(|action| {
            let name = page_name(module.name, action);
            page(action.clone(), &name, &ending_of_action(module.name, &names, &name))
        })
        .collect();
    pages.push(page(grammar, module.name, &ending(module.files, &names)));
    pages
}

fn page_name(executable: &str, action: &Command) -> String {
    format!("{executable}-{}", action.get_name())
}

/// clap's sections, and what they lack. Not clap's title: without a date it says everything else in the wrong place.
fn page(command: Command, name: &str, ending: &Roff) -> Written {
    let has_actions = command.has_subcommands();
    let mut bytes = format!(".TH {name} 1 \"\" \"Handover {}\" Handover\n", env!("CARGO_PKG_VERSION")).into_bytes();
    let man = Man::new(command);
    // Writing to memory cannot fail.
    let _ = man.render_name_section(&mut bytes);
    let _ = man.render_synopsis_section(&mut bytes);
    let _ = man.render_description_section(&mut bytes);
    if has_actions {
        let _ = man.render_subcommands_section(&mut bytes);
    }
    let _ = man.render_options_section(&mut bytes);
    let _ = ending.to_writer(&mut bytes);
    Written { path: format!("{SHARE}/man/man1/{name}.1").into(), text: tidy(&String::from_utf8_lossy(&bytes)) }
}

fn ending(files: &[(&str, &str)], actions: &[String]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in [(0, "Done, or nothing was to be done.")]
        .into_iter()
        .chain(Kind::ALL.iter().map(|kind| (kind.exit_code(), kind.meaning().trim())))
    {
        roff.control("TP", []).text([bold(status.to_string())]).text([roman(meaning)]);
    }
    roff.control("SH", ["FILES"]);
    for (paths, meaning) in files {
        roff.control("TP", []).text([bold(*paths)]).text([roman(*meaning)]);
    }
    see_also(&mut roff, actions.iter().map(String::as_str));
    roff
}

fn ending_of_action(executable: &str, actions: &[String], own: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman("0 on success, also where nothing was to be done. The others, and the files, are listed in ")]);
    roff.text([bold(executable), roman("(1).")]);
    see_also(&mut roff, [executable].into_iter().chain(actions.iter().map(String::as_str).filter(|name| *name != own)));
    roff
}

fn see_also<'a>(roff: &mut Roff, pages: impl Iterator<Item = &'a str>) {
    let mut line: Vec<Inline> = Vec::new();
    for page in pages {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(page), roman("(1)")]);
    }
    roff.control("SH", ["SEE ALSO"]).text(line);
}

/// What the same texts mark for Ansible and for readers of the source is bold here: `C(word)`, and what stands in backquotes, which roff
/// takes for quotation marks. The generator's preamble is needed once, and its way to leave a line empty is one that formatters warn of.
fn tidy(roff: &str) -> String {
    let mut text = String::new();
    for line in roff.replace("\n.br\n\n.br\n", "\n.sp\n").lines() {
        let is_preamble = line.starts_with(".ie ") || line.starts_with(".el ");
        if !is_preamble || !text.contains(line) {
            text += &if line.starts_with('.') { line.to_owned() } else { emphasized(line) };
            text.push('\n');
        }
    }
    text
}

fn emphasized(line: &str) -> String {
    let mut marked = line.to_owned();
    while let Some((before, rest)) = marked.split_once("C(").map(|(before, rest)| (before.to_owned(), rest.to_owned()))
    {
        let Some((word, after)) = rest.split_once(')') else { break };
        marked = format!("{before}`{word}`{after}");
    }
    let parts: Vec<&str> = marked.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return marked;
    }
    let bold =
        |(number, part): (usize, &&str)| if number % 2 == 1 { format!("\\fB{part}\\fR") } else { (*part).to_owned() };
    parts.iter().enumerate().map(bold).collect()
}

#[cfg(test)]
mod tests {
    use super::emphasized;

    #[test]
    fn words_that_are_marked_are_bold() {
        assert_eq!(emphasized("C(a) and `b c`, not d"), "\\fBa\\fR and \\fBb c\\fR, not d");
        assert_eq!(emphasized("one ` alone, C(open"), "one ` alone, C(open");
    }
}
