//! One declaration of options for every caller: the command line is the grammar, a task is translated into it.

use std::ffi::OsString;

use backup_core::{Failure, Kind};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Args, Command, Subcommand};
use serde_json::{Map, Value};

use crate::docs::Module;
use crate::scalar;

/// Given with any subcommand on the command line; a task says the same with `check_mode`, `diff` and `-v`.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Common options")]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag of the command line")]
pub(crate) struct Common {
    /// Say what would be done and change nothing.
    #[arg(long, global = true, visible_alias = "dry-run")]
    pub(crate) check: bool,
    /// Show what differs.
    #[arg(long, global = true)]
    pub(crate) diff: bool,
    /// Print the result as one line of JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing on success, nor what was mailed.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The subcommand that a task means when it does not say `action`.
pub(crate) const DEFAULT_ACTION: &str = "run";
/// The option that names the subcommand in a task.
pub(crate) const ACTION: &str = "action";
/// Prints the documentation; of no use to an operator.
pub(crate) const DOCS: &str = "docs";

/// A bad option: unknown, missing, or with a value that cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    message: String,
    hint: Option<String>,
}

impl OptionError {
    /// `problem` is a fragment that quotes the value: `"7x" is not a number`.
    pub fn new(option: &str, problem: impl std::fmt::Display) -> Self {
        Self { message: format!("option {option}: {problem}"), hint: None }
    }

    /// A problem that is not about one option.
    pub fn general(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The remedy, as one sentence.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl Failure for OptionError {
    fn kind(&self) -> Kind {
        Kind::InvalidOption
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// The whole command line of an executable.
pub(crate) fn grammar<C: Subcommand>(module: &Module) -> Command {
    Common::augment_args(C::augment_subcommands(Command::new(module.name)))
        .subcommand(Command::new(DOCS).hide(true).about("Print the documentation that ansible-doc reads"))
        .version(crate::RELEASE)
        .about(module.summary)
        .long_about(None)
        .after_help("As an Ansible module: one argument, the file of arguments; or `module -` with the same JSON on standard input.")
        .subcommand_required(true)
}

/// [`grammar`] as people are told of it: without what is hidden from them.
pub(crate) fn visible_grammar<C: Subcommand>(module: &Module) -> Command {
    let shown: Vec<Command> = C::augment_subcommands(Command::new(module.name))
        .get_subcommands()
        .filter(|action| !action.is_hide_set())
        .cloned()
        .collect();
    Common::augment_args(Command::new(module.name))
        .subcommands(shown)
        .version(env!("CARGO_PKG_VERSION"))
        .about(module.summary)
        .long_about(module.description.join("\n\n"))
        .disable_help_subcommand(true)
        .subcommand_required(true)
}

/// The subcommands that a task may name.
pub(crate) fn actions(grammar: &Command) -> impl Iterator<Item = &Command> {
    grammar.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

/// The options of one action that a task may give.
pub(crate) fn options(action: &Command) -> impl Iterator<Item = &Arg> {
    action.get_arguments().filter(|arg| {
        !arg.is_hide_set() && !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version")
    })
}

/// Translates the options of a task into the command line that means the same.
pub(crate) fn command_line(grammar: &Command, mut given: Map<String, Value>) -> Result<Vec<String>, OptionError> {
    let chosen = given.remove(ACTION).filter(|value| !scalar::is_unset(value));
    let name = match &chosen {
        Some(Value::String(name)) => name.as_str(),
        Some(other) => {
            return Err(
                OptionError::new(ACTION, format!("{other} is not an action")).with_hint(one_of(&names(grammar)))
            );
        }
        None => DEFAULT_ACTION,
    };
    let Some(action) = actions(grammar).find(|action| action.get_name() == name) else {
        let problem = if chosen.is_some() { format!("{name:?} is not an action") } else { "missing".into() };
        return Err(OptionError::new(ACTION, problem).with_hint(one_of(&names(grammar))));
    };
    let mut line = vec![grammar.get_name().to_owned(), name.to_owned()];
    if let Some(key) = given.keys().find(|key| options(action).all(|arg| arg.get_id() != key.as_str())) {
        return Err(unknown(key, action));
    }
    let mut positionals = vec!["--".to_owned()];
    let mut left_out = None;
    for arg in options(action) {
        let words =
            given.get(arg.get_id().as_str()).map_or_else(|| Ok(Vec::new()), |value| scalar::words(arg, value))?;
        match (arg.is_positional(), words.is_empty(), left_out) {
            (false, _, _) => line.extend(words),
            (true, true, _) => left_out = left_out.or(Some(arg)),
            (true, false, None) => positionals.extend(words),
            // On a command line the later word would take the place of the one that is left out.
            (true, false, Some(earlier)) => {
                return Err(OptionError::general(format!(
                    "missing option {}: {} needs it",
                    earlier.get_id(),
                    arg.get_id()
                )));
            }
        }
    }
    line.append(&mut positionals);
    Ok(line)
}

/// Reads a command line; `Err` carries clap's own error where help or the version was asked for.
pub(crate) fn parse<C: Subcommand>(
    grammar: &mut Command,
    line: Vec<OsString>,
) -> Result<(C, String, Common), clap::Error> {
    let matches = grammar.try_get_matches_from_mut(line)?;
    let (name, chosen) =
        matches.subcommand().ok_or_else(|| grammar.error(ErrorKind::MissingSubcommand, "no action given"))?;
    // An empty value is a variable that somebody forgot to set, not a wish.
    for id in chosen.ids() {
        if let Ok(Some(mut raw)) = chosen.try_get_raw(id.as_str())
            && raw.any(std::ffi::OsStr::is_empty)
        {
            return Err(grammar.error(ErrorKind::ValueValidation, format!("option {id}: the value is empty")));
        }
    }
    let name = name.to_owned();
    let common = <Common as clap::FromArgMatches>::from_arg_matches(&matches)?;
    Ok((C::from_arg_matches(&matches)?, name, common))
}

/// Says what clap found in our words, so that tasks and command lines get the same sentence.
pub(crate) fn explain(error: &clap::Error, grammar: &Command) -> OptionError {
    let texts = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let first = |kind| texts(kind).into_iter().next().unwrap_or_default();
    let options = || texts(ContextKind::InvalidArg).iter().map(|arg| option_name(arg)).collect::<Vec<_>>().join(", ");
    let value = first(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => OptionError::new(&options(), "needs a value"),
        ErrorKind::InvalidValue => OptionError::new(&options(), format!("{value:?} is not a valid value"))
            .with_hint(one_of(&texts(ContextKind::ValidValue))),
        ErrorKind::ValueValidation if !value.is_empty() => {
            let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            OptionError::new(&options(), format!("{value:?} is not valid{cause}"))
        }
        ErrorKind::MissingRequiredArgument => OptionError::general(format!("missing option {}", options())),
        ErrorKind::ArgumentConflict => {
            let prior = texts(ContextKind::PriorArg).iter().map(|arg| option_name(arg)).collect::<Vec<_>>().join(", ");
            if prior == options() {
                OptionError::new(&prior, "given more than once")
            } else {
                OptionError::new(&options(), format!("cannot be combined with {prior}"))
            }
        }
        ErrorKind::UnknownArgument => {
            let given = first(ContextKind::InvalidArg);
            let what = if given.starts_with('-') { "unknown option" } else { "unexpected argument" };
            let error = OptionError::general(format!("{what} {given}"));
            match first(ContextKind::SuggestedArg) {
                near if near.is_empty() => error.with_hint(format!("See `{} --help`.", grammar.get_name())),
                near => error.with_hint(format!("Did you mean {near}?")),
            }
        }
        ErrorKind::MissingSubcommand => OptionError::new(ACTION, "missing").with_hint(one_of(&names(grammar))),
        ErrorKind::InvalidSubcommand => {
            OptionError::general(format!("unknown action {:?}", first(ContextKind::InvalidSubcommand)))
                .with_hint(one_of(&names(grammar)))
        }
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            OptionError::general(line.strip_prefix("error: ").unwrap_or(line))
        }
    }
}

fn unknown(key: &str, action: &Command) -> OptionError {
    let known: Vec<&str> = options(action).map(|arg| arg.get_id().as_str()).chain([ACTION]).collect();
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(&key.replace('-', "_"), name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| format!("Did you mean {name}? "))
        .unwrap_or_default();
    OptionError::general(format!("unknown option {key} for action {}", action.get_name()))
        .with_hint(format!("{near}Known options: {}.", known.join(", ")))
}

fn names(grammar: &Command) -> Vec<String> {
    actions(grammar).map(|action| action.get_name().to_owned()).collect()
}

fn one_of(values: &[String]) -> String {
    format!("Use one of: {}.", values.join(", "))
}

/// clap shows an argument as `--max-age <AGE>` or `<JOB>`; a task calls it `max_age` or `job`.
fn option_name(shown: &str) -> String {
    let word = shown.split([' ', '=']).next().unwrap_or(shown);
    word.trim_matches(['-', '<', '>', '[', ']', '.']).replace('-', "_").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::Mapping;
    use proptest::prelude::*;
    use serde_json::json;

    #[derive(Debug, clap::Subcommand)]
    enum Sample {
        /// Take what is given.
        Run(Taken),
    }

    #[derive(Debug, clap::Args)]
    struct Taken {
        /// A word.
        word: Option<String>,
        /// Words.
        #[arg(long)]
        many_words: Vec<String>,
        /// A number.
        #[arg(long)]
        number: Option<i64>,
        /// A mapping.
        #[arg(long)]
        mapping: Option<Mapping>,
        /// A flag.
        #[arg(long)]
        flag: bool,
    }

    const MODULE: Module =
        Module { name: "sample", summary: "Sample", description: &[], examples: "", files: &[], returns: Vec::new };

    fn taken(task: Value) -> Result<Taken, OptionError> {
        let mut grammar = grammar::<Sample>(&MODULE);
        grammar.build();
        let Value::Object(given) = task else { panic!("{task} is not an object") };
        let line = command_line(&grammar, given)?.into_iter().map(Into::into).collect();
        let (Sample::Run(taken), _, _) =
            parse::<Sample>(&mut grammar, line).map_err(|error| explain(&error, &grammar))?;
        Ok(taken)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| map.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    #[derive(Debug, clap::Subcommand)]
    enum Ordered {
        /// Take two words.
        Run {
            /// The first.
            zebra: Option<String>,
            /// The second.
            ant: Option<String>,
        },
    }

    #[test]
    fn plain_words_keep_their_order_and_never_take_each_others_place() {
        let mut grammar = grammar::<Ordered>(&MODULE);
        grammar.build();
        let line = |task: Value| command_line(&grammar, task.as_object().unwrap().clone());
        assert_eq!(line(json!({"ant": "2", "zebra": "1"})).unwrap()[2..], ["--", "1", "2"]);
        assert_eq!(line(json!({"zebra": "1"})).unwrap()[2..], ["--", "1"]);
        for unset in [json!({"ant": "2"}), json!({"ant": "2", "zebra": null})] {
            assert_eq!(line(unset).unwrap_err().to_string(), "missing option zebra: ant needs it");
        }
    }

    proptest! {
        #[test]
        fn text_arrives_as_it_was_given(word in ".+", many in prop::collection::vec(".+", 1..4), number: i64) {
            let taken = taken(json!({"word": word, "many_words": many, "number": number, "flag": number % 2 == 0})).unwrap();
            prop_assert_eq!(taken.word.unwrap(), word);
            prop_assert_eq!(taken.many_words, many);
            prop_assert_eq!(taken.number, Some(number));
            prop_assert_eq!(taken.flag, number % 2 == 0);
        }

        #[test]
        fn mappings_arrive_as_they_were_given(mapping in prop::collection::btree_map(any::<String>(), any_json(), 0..4)) {
            let mapping: Map<String, Value> = mapping.into_iter().collect();
            // Floats are rounded once by their way through text; nothing else may change.
            let expected: Map<String, Value> = serde_json::from_str(&serde_json::to_string(&mapping).unwrap()).unwrap();
            prop_assert_eq!(taken(json!({"mapping": mapping})).unwrap().mapping.unwrap().0, expected);
        }

        #[test]
        fn any_value_is_taken_or_refused_by_name(value in any_json(), option in "word|many_words|number|mapping|flag") {
            if let Err(error) = taken(json!({&option: value})) {
                prop_assert!(error.to_string().starts_with(&format!("option {option}: ")), "{}", error);
            }
        }

        #[test]
        fn any_key_is_known_or_named(key in ".*") {
            if let Err(error) = taken(json!({&key: "1"})) {
                prop_assert!(error.to_string().contains(&key), "{}", error);
            }
        }
    }
}
