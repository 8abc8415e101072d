//! The documentation that `ansible-doc` shows, made from the declarations that the executable runs with.

use std::path::Path;

use clap::{Arg, ArgAction, Command, Subcommand};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::options::{self, ACTION, DEFAULT_ACTION};
use crate::outcome::{self, RESERVED};
use crate::scalar::{Scalar, Shape};
use crate::yaml::Yaml;

/// An executable and what its documentation says beyond its options.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// Name of the executable and of the module.
    pub name: &'static str,
    /// One line without a full stop.
    pub summary: &'static str,
    /// Paragraphs.
    pub description: &'static [&'static str],
    /// Tasks, in YAML.
    pub examples: &'static str,
    /// What the executable reads and keeps where nothing else is declared: path and meaning, for its man page.
    pub files: &'static [(&'static str, &'static str)],
    /// What the actions return.
    pub returns: fn() -> Vec<Returned>,
}

/// The fields that an executable adds to the result, or a part of one. Made by [`report!`](crate::report), so that every field is documented.
pub trait Report: Serialize {
    /// Every field.
    fn fields() -> Vec<Field>;
}

impl<R: Report> Report for Vec<R> {
    fn fields() -> Vec<Field> {
        R::fields()
    }
}

impl<R: Report> Report for Option<R> {
    fn fields() -> Vec<Field> {
        R::fields()
    }
}

/// One field of a report.
#[derive(Debug)]
pub struct Field {
    /// Its name in the result.
    pub name: &'static str,
    /// Its documentation.
    pub text: &'static str,
    /// The fields of the report that it is, or of those that it lists; empty for anything else.
    pub contains: Vec<Field>,
}

/// The type of a field, of which [`report!`](crate::report) asks whether it is a report: of the two traits the compiler takes
/// [`Nested`] where it can.
#[doc(hidden)]
#[derive(Debug)]
pub struct Of<T>(pub std::marker::PhantomData<T>);

#[doc(hidden)]
pub trait Nested {
    fn contains(&self) -> Vec<Field>;
}

impl<R: Report> Nested for Of<R> {
    fn contains(&self) -> Vec<Field> {
        R::fields()
    }
}

#[doc(hidden)]
pub trait Plain {
    fn contains(&self) -> Vec<Field>;
}

impl<T> Plain for &Of<T> {
    fn contains(&self) -> Vec<Field> {
        Vec::new()
    }
}

/// One report with example values, from which types and samples of the documentation are taken.
#[derive(Debug)]
pub struct Returned {
    when: &'static str,
    fields: Vec<Field>,
    sample: Result<Map<String, Value>, String>,
}

impl Returned {
    /// `when` completes "returned": `always`, `success`, `action status`.
    pub fn new<R: Report>(when: &'static str, sample: &R) -> Self {
        Self { when, fields: R::fields(), sample: outcome::values(sample).map_err(|error| error.to_string()) }
    }
}

/// Declares a report: a plain struct whose fields must have documentation. A field whose type is a report as well, or a list of some, is
/// documented with the fields of that.
///
/// ```
/// backup_interface::report! {
///     /// What one run did.
///     #[derive(Debug, serde::Serialize)]
///     pub struct RunReport {
///         /// Bytes that were read.
///         pub bytes: u64,
///     }
/// }
/// ```
#[macro_export]
macro_rules! report {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])+ $(#[serde($($serde:tt)*)])* $field_vis:vis $field:ident : $type:ty ),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        $vis struct $name {
            $( $(#[doc = $doc])+ $(#[serde($($serde)*)])* $field_vis $field: $type, )+
        }

        impl $crate::Report for $name {
            fn fields() -> Vec<$crate::docs::Field> {
                #[allow(unused_imports, reason = "each report needs one of them at least")]
                use $crate::docs::{Nested as _, Plain as _};
                vec![$($crate::docs::Field {
                    name: stringify!($field),
                    text: concat!($($doc),+),
                    contains: (&$crate::docs::Of::<$type>(std::marker::PhantomData)).contains(),
                }),+]
            }
        }
    };
}

/// What one executable can be told on a command line, for man pages and completions.
#[derive(Debug)]
pub struct Described {
    /// The executable.
    pub module: Module,
    /// Its actions and options, without those that serve other programs.
    pub grammar: Command,
}

impl Described {
    /// From the declarations that the executable runs with.
    pub fn of<C: Subcommand>(module: Module) -> Self {
        Self { module, grammar: options::visible_grammar::<C>(&module) }
    }
}

/// Compares the committed documentation `<library>/<name>.py` with what the executable would print.
///
/// # Errors
/// A message that says what is wrong and how to mend it.
pub fn check<C: Subcommand>(module: &Module, library: impl AsRef<Path>) -> Result<(), String> {
    let path = library.as_ref().join(format!("{}.py", module.name));
    let wanted = stub::<C>(module)?;
    let found = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if found == wanted {
        return Ok(());
    }
    Err(format!(
        "{path} is not what `{name} docs` prints: run `{name} docs > {path}`",
        path = path.display(),
        name = module.name
    ))
}

/// The documentation file of a module: Python that holds documentation and nothing to run, because `ansible-doc --list` and
/// Ansible's sanity tests read no other form.
///
/// # Errors
/// Names the option or the field that cannot be documented.
pub fn stub<C: Subcommand>(module: &Module) -> Result<String, String> {
    let mut grammar = options::grammar::<C>(module);
    grammar.build();
    let mut text = format!("# Made by `{} docs`.\n{PREAMBLE}", module.name);
    for (name, yaml) in [
        ("DOCUMENTATION", Yaml::of(|yaml| documentation(yaml, module, &grammar))?),
        ("EXAMPLES", format!("{}\n", module.examples.trim())),
        ("RETURN", Yaml::of(|yaml| returned(yaml, &(module.returns)()))?),
    ] {
        if yaml.contains(QUOTES) {
            return Err(format!("{name} holds {QUOTES}, which ends a text of Python"));
        }
        text.extend(["\n", name, " = r", QUOTES, "\n---\n", &yaml, QUOTES, "\n"]);
    }
    Ok(text)
}

/// Ansible's sanity tests ask for the second licence by name.
const PREAMBLE: &str = "\
# Documentation only: the executable of this name does the work, and the action plugin of this name runs it.
# Where that plugin is missing, a task fails. See docs/protocol.md, \"From Ansible\".
# License: Apache-2.0 or GNU General Public License v3.0+, whichever you choose.

from __future__ import annotations
";
const QUOTES: &str = r#"""""#;

fn documentation(yaml: &mut Yaml, module: &Module, grammar: &Command) -> Result<(), String> {
    yaml.scalar("module", module.name);
    yaml.scalar("short_description", module.summary);
    yaml.texts("description", module.description.iter().copied());
    yaml.scalar("version_added", env!("CARGO_PKG_VERSION"));
    // Ansible asks for an account at a forge, or for this word.
    yaml.list("author", ["Handover (!UNKNOWN)"]);
    yaml.block("attributes", |yaml| {
        for (name, text) in [
            ("check_mode", "Plans what it would do and changes nothing."),
            ("diff_mode", "Returns what differs when asked to."),
        ] {
            yaml.block(name, |yaml| {
                yaml.texts("description", [text]);
                yaml.scalar("support", "full");
                Ok(())
            })?;
        }
        Ok(())
    })?;
    let actions: Vec<&Command> = options::actions(grammar).collect();
    yaml.block("options", |yaml| {
        action_option(yaml, &actions)?;
        let mut seen: Vec<&Arg> = Vec::new();
        for arg in actions.iter().flat_map(|action| options::options(action)) {
            fits_tasks(arg)?;
            match seen.iter().find(|other| other.get_id() == arg.get_id()) {
                Some(other) if Shape::of(other) == Shape::of(arg) => {}
                Some(_) => return Err(format!("option {} has another type in another action", arg.get_id())),
                None => {
                    seen.push(arg);
                    option(yaml, arg, &actions)?;
                }
            }
        }
        Ok(())
    })
}

fn action_option(yaml: &mut Yaml, actions: &[&Command]) -> Result<(), String> {
    let names: Vec<&str> = actions.iter().map(|action| action.get_name()).collect();
    yaml.block(ACTION, |yaml| {
        let mut texts = vec!["What to do.".to_owned()];
        for action in actions {
            texts.push(format!("V({}): {}", action.get_name(), sentence(&about(action)?)));
        }
        yaml.texts("description", texts.iter().map(String::as_str));
        yaml.scalar("type", "str");
        if names.contains(&DEFAULT_ACTION) {
            yaml.scalar("default", DEFAULT_ACTION);
        } else {
            yaml.flag("required", true);
        }
        yaml.list("choices", names);
        Ok(())
    })
}

/// What a command line could express but a task could not.
fn fits_tasks(arg: &Arg) -> Result<(), String> {
    let name = arg.get_id().as_str();
    if name == ACTION {
        return Err(format!("option {ACTION} is reserved: it names the action"));
    }
    if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append | ArgAction::SetTrue) {
        return Err(format!("option {name} cannot be given in a task: {:?}", arg.get_action()));
    }
    match arg.get_long() {
        Some(long) if long != name.replace('_', "-") => {
            Err(format!("option {name} is called --{long} on the command line"))
        }
        None if !arg.is_positional() => Err(format!("option {name} has no long name")),
        _ => Ok(()),
    }
}

fn option(yaml: &mut Yaml, arg: &Arg, actions: &[&Command]) -> Result<(), String> {
    let name = arg.get_id().as_str();
    let help = arg
        .get_long_help()
        .or_else(|| arg.get_help())
        .ok_or_else(|| format!("option {name} has no documentation"))?
        .to_string();
    let in_actions = |wanted: fn(&Arg) -> bool| -> Vec<&str> {
        let has = |action: &&&Command| options::options(action).any(|arg| arg.get_id() == name && wanted(arg));
        actions.iter().filter(has).map(|action| action.get_name()).collect()
    };
    let (taken, required) = (in_actions(|_| true), in_actions(Arg::is_required_set));
    let choices: Vec<_> = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    let shape = Shape::of(arg);
    yaml.block(name, |yaml| {
        let mut texts: Vec<String> = help.split("\n\n").map(|text| sentence(&text.replace('\n', " "))).collect();
        for choice in &choices {
            texts.extend(
                choice.get_help().map(|help| format!("V({}): {}", choice.get_name(), sentence(&help.to_string()))),
            );
        }
        if !taken.contains(&DEFAULT_ACTION) {
            texts.push(format!("Only with {}.", named(&taken)));
        }
        if !required.is_empty() && required.len() < actions.len() {
            texts.push(format!("Required with {}.", named(&required)));
        }
        yaml.texts("description", texts.iter().map(String::as_str));
        yaml.scalar("type", if shape.list { "list" } else { type_name(shape.scalar) });
        if shape.list {
            yaml.scalar("elements", type_name(shape.scalar));
        }
        if required.len() == actions.len() {
            yaml.flag("required", true);
        }
        if !choices.is_empty() && shape.scalar != Scalar::Bool {
            yaml.list("choices", choices.iter().map(clap::builder::PossibleValue::get_name));
        }
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        match (defaults.as_slice(), shape) {
            ([], Shape { scalar: Scalar::Bool, list: false }) if matches!(arg.get_action(), ArgAction::SetTrue) => {
                yaml.flag("default", false);
            }
            ([], _) => {}
            (values, Shape { list: true, .. }) => yaml.list("default", values.iter().map(String::as_str)),
            ([value, ..], Shape { scalar: Scalar::Bool, .. }) => yaml.flag("default", value == "true"),
            ([value, ..], Shape { scalar: Scalar::Int | Scalar::Float, .. }) => yaml.plain("default", value),
            ([value, ..], _) => yaml.scalar("default", value),
        }
        Ok(())
    })
}

fn returned(yaml: &mut Yaml, reports: &[Returned]) -> Result<(), String> {
    for (name, text, when, kind) in [
        ("msg", "What happened, in one line.", "always", "str"),
        ("kind", "The class of the failure; docs/protocol.md lists them.", "failure", "str"),
        ("hint", "What to do about the failure.", "failure", "str"),
        ("rc", "The exit status that the same call has on the command line.", "failure", "int"),
    ] {
        yaml.block(name, |yaml| {
            yaml.texts("description", [text]);
            yaml.scalar("returned", when);
            yaml.scalar("type", kind);
            Ok(())
        })?;
    }
    let mut shown = Vec::new();
    for report in reports {
        let sample = report.sample.as_ref().map_err(|error| format!("a sample cannot be shown: {error}"))?;
        shown.extend(matched(report.when, &report.fields, &[sample])?);
    }
    for same in by_name(&shown) {
        let (name, sample) = (same[0].field.name, same[0].value);
        if RESERVED.contains(&name) {
            return Err(format!("the field {name} is reserved"));
        }
        yaml.block(name, |yaml| {
            yaml.texts("description", texts(&same).iter().map(String::as_str));
            yaml.scalar("returned", &whens(&same));
            contents(yaml, &same)?;
            yaml.json("sample", sample);
            Ok(())
        })?;
    }
    Ok(())
}

/// A field of one report, with an example of its value.
#[derive(Clone, Copy)]
struct Shown<'a> {
    when: &'a str,
    field: &'a Field,
    value: &'a Value,
}

/// Each field with its value in the samples, which have all of them and no other.
fn matched<'a>(
    when: &'a str,
    fields: &'a [Field],
    samples: &[&'a Map<String, Value>],
) -> Result<Vec<Shown<'a>>, String> {
    let declared = |key: &String| fields.iter().any(|field| field.name == key);
    if let Some(extra) = samples.iter().flat_map(|sample| sample.keys()).find(|key| !declared(key)) {
        return Err(format!("the sample has a field {extra} that the report does not declare"));
    }
    let show = |field: &'a Field| {
        let mut values = samples.iter().filter_map(|sample| sample.get(field.name));
        let first = values.clone().next().ok_or_else(|| format!("the sample has no field {}", field.name))?;
        // Of a list, one item may show what another has not.
        Ok(Shown { when, field, value: values.find(|value| !is_blank(value)).unwrap_or(first) })
    };
    fields.iter().map(show).collect()
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// Several reports may have a field of one name: it is documented once, where it comes first.
fn by_name<'a>(shown: &[Shown<'a>]) -> Vec<Vec<Shown<'a>>> {
    let mut groups: Vec<Vec<Shown<'a>>> = Vec::new();
    for one in shown {
        match groups.iter_mut().find(|group| group[0].field.name == one.field.name) {
            Some(group) => group.push(*one),
            None => groups.push(vec![*one]),
        }
    }
    groups
}

fn whens(same: &[Shown<'_>]) -> String {
    same.iter().map(|one| one.when).collect::<Vec<_>>().join(", ")
}

/// What each report says of it, if they do not all say the same.
fn texts(same: &[Shown<'_>]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in same.iter().map(|one| sentence(one.field.text)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// The type of a field and, if it is a report or lists some, their fields. These have no sample: the outermost field shows it all.
fn contents(yaml: &mut Yaml, same: &[Shown<'_>]) -> Result<(), String> {
    let kind = json_type(same[0].value).ok_or_else(|| format!("the sample of {} is null", same[0].field.name))?;
    yaml.scalar("type", kind);
    let mut inner = Vec::new();
    for one in same.iter().filter(|one| !one.field.contains.is_empty()) {
        let items: Vec<_> = match one.value {
            Value::Array(items) => items.iter().filter_map(Value::as_object).collect(),
            other => other.as_object().into_iter().collect(),
        };
        inner.extend(matched(one.when, &one.field.contains, &items)?);
    }
    if inner.is_empty() {
        return Ok(());
    }
    yaml.block("contains", |yaml| {
        for group in by_name(&inner) {
            yaml.block(group[0].field.name, |yaml| {
                yaml.texts("description", texts(&group).iter().map(String::as_str));
                if group.len() < same.len() {
                    yaml.scalar("returned", &whens(&group));
                }
                contents(yaml, &group)
            })?;
        }
        Ok(())
    })
}

fn named(actions: &[&str]) -> String {
    let all: Vec<String> = actions.iter().map(|action| format!("O({ACTION}={action})")).collect();
    all.join(", ")
}

fn about(command: &Command) -> Result<String, String> {
    command
        .get_about()
        .map(ToString::to_string)
        .ok_or_else(|| format!("action {} has no documentation", command.get_name()))
}

/// clap cuts the full stop of a summary; Ansible's descriptions are sentences.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', ':', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}

const fn type_name(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "bool",
        Scalar::Int => "int",
        Scalar::Float => "float",
        Scalar::Path => "path",
        Scalar::Mapping => "dict",
        // Text or number.
        Scalar::Mode => "raw",
        Scalar::Text => "str",
    }
}

fn json_type(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    })
}
