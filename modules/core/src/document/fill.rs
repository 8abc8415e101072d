//! The tree as serde reads it: what a key needs decides what a scalar means.

use super::{Node, Refusal, Value};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor, value::StrDeserializer};

macro_rules! integers {
    ($($deserialize:ident $visit:ident $type:ty,)+) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            let least = i128::from(<$type>::MIN);
            let most = i128::from(<$type>::MAX);
            let value = <$type>::try_from(self.whole(least, most)?);
            self.placed(visitor.$visit(value.expect("a value within the range of its type")))
        })+
    };
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Refusal;

    /// For quantities, which read their own text.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => self.placed(visitor.visit_unit()),
            Value::Scalar { text, .. } => self.placed(visitor.visit_str(text)),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.deserialize_map(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.placed(visitor.visit_bool(self.truth()?))
    }

    integers! {
        deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.placed(visitor.visit_str(self.word()?))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.placed(visitor.visit_enum(StrDeserializer::new(self.word()?)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.value {
            Value::List(items) => self.placed(visitor.visit_seq(Items { items, next: 0 })),
            _ => Err(Refusal::unlike(self, "a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.value {
            Value::Map(entries) => self.placed(visitor.visit_map(Entries { entries, next: 0 })),
            _ => Err(Refusal::unlike(self, "keys with values")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        self.placed(visitor.visit_newtype_struct(self))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

impl Node {
    /// A refusal by the type that reads this node arose here, unless it says that it arose further inside.
    fn placed<T>(&self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        result.map_err(|refusal| refusal.at(self.at))
    }

    fn truth(&self) -> Result<bool, Refusal> {
        let refuse = || Refusal::unlike(self, "a truth value").with_remedy("Write `true` or `false`.");
        self.boolean().ok_or_else(refuse)
    }

    fn whole(&self, least: i128, most: i128) -> Result<i128, Refusal> {
        let refuse = || {
            Refusal::unlike(self, "a whole number")
                .with_remedy(format!("Write {least} to {most} in digits, without leading zeros."))
        };
        let value = self.integer().ok_or_else(refuse)?;
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        Err(Refusal::new(format!("{value} is out of range")).at(self.at).with_remedy(format!("Use {least} to {most}.")))
    }

    fn word(&self) -> Result<&str, Refusal> {
        let Value::Scalar { text, .. } = &self.value else { return Err(Refusal::unlike(self, "text")) };
        if self.is_null() {
            return Err(Refusal::unlike(self, "text"));
        }
        let Some(other) = self.other_than_text() else { return Ok(text) };
        let refusal = Refusal::new(format!("{text} is {other}, but text is needed")).at(self.at);
        Err(refusal.with_remedy(format!("Write it in quotes: {text:?}.")))
    }
}

struct Items<'de> {
    items: &'de [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some(item) = self.items.get(self.next) else { return Ok(None) };
        self.next += 1;
        let step = || format!("[{}]", self.next - 1);
        seed.deserialize(item).map(Some).map_err(|refusal| refusal.under(&step()))
    }
}

struct Entries<'de> {
    entries: &'de [(Node, Node)],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some((key, _)) = self.entries.get(self.next) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(key).map(Some).map_err(|refusal| refusal.under(key.text()))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let (key, value) = &self.entries[self.next - 1];
        seed.deserialize(value).map_err(|refusal| refusal.under(key.text()))
    }
}
