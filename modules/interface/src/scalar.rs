//! Values of a task become words of a command line.
//!
//! Ansible applies no argument specification to an executable: numbers and booleans arrive as strings or as
//! themselves, depending on its version and on how the task was written. The type that the option was declared with
//! decides how its value is read.

use std::any::TypeId;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Arg, ArgAction};
use serde_json::{Map, Value};

use crate::options::OptionError;

/// An option's type, as Ansible's documentation names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Bool,
    Int,
    Float,
    Mode,
    Path,
    Mapping,
    Text,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) scalar: Scalar,
    pub(crate) list: bool,
}

/// A mapping: written in YAML in a task, as JSON on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping(pub Map<String, Value>);

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text).map(Self).map_err(|error| format!("not a JSON object ({error})"))
    }
}

/// Permission bits: octal as text (`0640`, `640`); a number in a task is what YAML made of `0640`, that is 416.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(pub u32);

impl FromStr for FileMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("0o").unwrap_or(text);
        match u32::from_str_radix(digits, 8) {
            Ok(bits) if bits <= 0o7777 && !digits.starts_with('+') => Ok(Self(bits)),
            _ => Err("not an octal mode between 0 and 7777".into()),
        }
    }
}

impl Shape {
    pub(crate) fn of(arg: &Arg) -> Self {
        let id = arg.get_value_parser().type_id();
        let is = |types: &[TypeId]| types.iter().any(|&t| id == t);
        let ints = [
            TypeId::of::<u8>(),
            TypeId::of::<u16>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<i8>(),
            TypeId::of::<i16>(),
            TypeId::of::<i32>(),
            TypeId::of::<i64>(),
            TypeId::of::<isize>(),
        ];
        let scalar = if is_flag(arg) || is(&[TypeId::of::<bool>()]) {
            Scalar::Bool
        } else if is(&ints) {
            Scalar::Int
        } else if is(&[TypeId::of::<f32>(), TypeId::of::<f64>()]) {
            Scalar::Float
        } else if is(&[TypeId::of::<FileMode>()]) {
            Scalar::Mode
        } else if is(&[TypeId::of::<PathBuf>()]) {
            Scalar::Path
        } else if is(&[TypeId::of::<Mapping>()]) {
            Scalar::Mapping
        } else {
            Scalar::Text
        };
        Self { scalar, list: matches!(arg.get_action(), ArgAction::Append) }
    }
}

/// A flag stands alone on the command line; its absence means no.
fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The words that give `arg` the value of a task; none if the value means "not set".
pub(crate) fn words(arg: &Arg, value: &Value) -> Result<Vec<String>, OptionError> {
    let name = arg.get_id().as_str();
    if is_unset(value) {
        return Ok(Vec::new());
    }
    let shape = Shape::of(arg);
    if is_flag(arg) {
        let on = boolean(value).ok_or_else(|| not(name, value, shape))?;
        return Ok(if on { vec![format!("--{}", long(arg))] } else { Vec::new() });
    }
    let texts = match (value, shape.list) {
        (Value::Array(items), true) => items
            .iter()
            .map(|item| text(item, shape.scalar))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| not(name, value, shape))?,
        (Value::String(list), true) if shape.scalar != Scalar::Mapping => {
            list.split(',').map(|item| item.trim().to_owned()).collect()
        }
        _ => vec![text(value, shape.scalar).ok_or_else(|| not(name, value, shape))?],
    };
    Ok(match arg.get_long() {
        Some(long) => texts.into_iter().map(|text| format!("--{long}={text}")).collect(),
        None => texts,
    })
}

/// Reads a boolean as Ansible does.
pub(crate) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(on) => Some(*on),
        Value::Number(number) if number.as_f64() == Some(1.0) => Some(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Some(false),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" => Some(true),
            "n" | "no" | "off" | "0" | "false" | "f" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// `null` and the empty string are what templates leave behind where nothing was set.
pub(crate) fn is_unset(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn long(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_else(|| arg.get_id().as_str())
}

/// One value as one word; `None` where its type cannot be meant.
fn text(value: &Value, scalar: Scalar) -> Option<String> {
    match (value, scalar) {
        (value, Scalar::Bool) => boolean(value).map(|on| on.to_string()),
        (Value::Object(_), Scalar::Mapping) => Some(value.to_string()),
        (Value::Number(number), Scalar::Mode) => number.as_u64().map(|bits| format!("{bits:o}")),
        (Value::Number(number), Scalar::Int) => Some(whole(number)),
        (Value::String(text), Scalar::Int | Scalar::Float | Scalar::Mode) => Some(text.trim().to_owned()),
        (Value::String(text), _) => Some(text.clone()),
        (Value::Number(number), Scalar::Text | Scalar::Path | Scalar::Float) => Some(number.to_string()),
        (Value::Bool(on), Scalar::Text) => Some(on.to_string()),
        _ => None,
    }
}

/// `6 / 2` in a template is `3.0`.
fn whole(number: &serde_json::Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn not(name: &str, value: &Value, shape: Shape) -> OptionError {
    let wanted = match shape.scalar {
        Scalar::Bool => "a boolean",
        Scalar::Int => "an integer",
        Scalar::Float => "a number",
        Scalar::Mode => "an octal mode",
        Scalar::Path => "a path",
        Scalar::Mapping => "a mapping",
        Scalar::Text => "a string",
    };
    let list = if shape.list { "a list, each item " } else { "" };
    OptionError::new(name, format!("expects {list}{wanted}, not {value}"))
}
