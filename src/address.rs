//! Addresses: the names of managed things.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use retrue_provider_api::Value;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use thiserror::Error;

/// Managed, or only read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A resource: made, changed and deleted.
    Managed,
    /// A data source: read.
    Data,
    /// Something ephemeral: opened, used and closed; its values rest nowhere.
    Ephemeral,
}

impl Mode {
    /// What such a thing is called, in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Mode::Managed => "resource",
            Mode::Data => "data source",
            Mode::Ephemeral => "ephemeral resource",
        }
    }

    /// The table that such things are declared in.
    pub fn table(self) -> &'static str {
        match self {
            Mode::Managed => "resource",
            Mode::Data => "data",
            Mode::Ephemeral => "ephemeral",
        }
    }
}

/// Which one of several instances.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceKey {
    /// An instance of `count`.
    Index(u64),
    /// An instance of `for_each`.
    Name(Arc<str>),
}

/// A block of the configuration: `TYPE.NAME`, `data.TYPE.NAME`, `module.M.TYPE.NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockAddress {
    /// The modules that it is in, from the outside in.
    pub modules: Vec<(Arc<str>, Option<InstanceKey>)>,
    /// Managed, or only read.
    pub mode: Mode,
    /// The type.
    pub type_name: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

/// One managed thing: a block's address and, where the block has several instances, a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The block.
    pub block: BlockAddress,
    /// The instance.
    pub key: Option<InstanceKey>,
}

impl BlockAddress {
    /// A block outside any module.
    pub fn new(mode: Mode, type_name: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        BlockAddress { modules: Vec::new(), mode, type_name: type_name.into(), name: name.into() }
    }

    /// A managed block outside any module.
    pub fn managed(type_name: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self::new(Mode::Managed, type_name, name)
    }

    /// What an output is among blocks, where it stands beside them: in the expressions of health checks, in reports.
    pub fn output(name: impl Into<Arc<str>>) -> Self {
        Self::managed(Self::OUTPUT, name)
    }

    /// The type that outputs have among blocks: no provider has one of that name.
    pub const OUTPUT: &str = "output";

    /// The address of one of its instances.
    pub fn instance(&self, key: Option<InstanceKey>) -> Address {
        Address { block: self.clone(), key }
    }
}

impl Address {
    /// Whether it is managed, not only read.
    pub fn is_managed(&self) -> bool {
        self.block.mode == Mode::Managed
    }

    /// The type.
    pub fn type_name(&self) -> &str {
        &self.block.type_name
    }
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an address: it should look like `TYPE.NAME` or `TYPE.NAME[\"key\"]`")]
pub struct AddressError(String);

/// Whether a text is a name that references can use: a letter or `_`, then letters, digits, `_`, `-`.
pub fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|other| other.is_alphanumeric() || other == '_' || other == '-')
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstanceKey::Index(index) => write!(f, "[{index}]"),
            InstanceKey::Name(name) => write!(f, "[{}]", serde_json::Value::from(name.as_ref())),
        }
    }
}

impl fmt::Display for BlockAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, key) in &self.modules {
            write!(f, "module.{name}")?;
            if let Some(key) = key {
                write!(f, "{key}")?;
            }
            f.write_str(".")?;
        }
        match self.mode {
            Mode::Managed => {}
            Mode::Data => f.write_str("data.")?,
            Mode::Ephemeral => f.write_str("ephemeral.")?,
        }
        write!(f, "{}.{}", self.type_name, self.name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.block)?;
        match &self.key {
            Some(key) => write!(f, "{key}"),
            None => Ok(()),
        }
    }
}

/// Takes a name from the front of `rest`, and the separator `.` behind it unless it ends there.
fn take_name<'t>(rest: &mut &'t str) -> Option<&'t str> {
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    is_identifier(name).then_some(name)
}

fn take_key(rest: &mut &str) -> Option<Option<InstanceKey>> {
    let Some(inside) = rest.strip_prefix('[') else { return Some(None) };
    if inside.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(inside).into_iter::<String>();
        let key = stream.next()?.ok()?;
        *rest = inside.get(stream.byte_offset()..)?.strip_prefix(']')?;
        // In the form that all texts have, so that what looks the same is the same.
        Some(Some(InstanceKey::Name(Value::string(key).as_str()?.into())))
    } else {
        let (index, after) = inside.split_once(']')?;
        *rest = after;
        Some(Some(InstanceKey::Index(index.parse().ok()?)))
    }
}

fn parse(text: &str) -> Option<Address> {
    let mut rest = text;
    let mut modules = Vec::new();
    while let Some(after) = rest.strip_prefix("module.") {
        rest = after;
        let name = take_name(&mut rest)?;
        let key = take_key(&mut rest)?;
        modules.push((Arc::from(name), key));
        rest = rest.strip_prefix('.')?;
    }
    let mut mode = Mode::Managed;
    for (prefix, prefixed) in [("data.", Mode::Data), ("ephemeral.", Mode::Ephemeral)] {
        if let Some(after) = rest.strip_prefix(prefix) {
            rest = after;
            mode = prefixed;
            break;
        }
    }
    let type_name = take_name(&mut rest)?.into();
    rest = rest.strip_prefix('.')?;
    let name = take_name(&mut rest)?.into();
    let key = take_key(&mut rest)?;
    rest.is_empty().then_some(Address { block: BlockAddress { modules, mode, type_name, name }, key })
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        parse(text).ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl FromStr for BlockAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        match parse(text) {
            Some(Address { block, key: None }) => Ok(block),
            _ => Err(AddressError(text.to_owned())),
        }
    }
}

macro_rules! as_text {
    ($kind:ty) => {
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}
as_text!(Address);
as_text!(BlockAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_look_the_same_are_the_same() {
        let read = |text: &str| text.parse::<Address>().unwrap();
        assert_eq!(read("a.b[\"e\u{301}\"]"), read("a.b[\"\u{e9}\"]"));
    }

    #[test]
    fn addresses_read_back() {
        for text in [
            "a.b",
            "data.a.b",
            "ephemeral.a.b[0]",
            "a.b[3]",
            "a.b[\"k.[\\\"\"]",
            "module.m.a.b",
            "module.m[\"x\"].module.n[0].data.a.b[1]",
        ] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "a", "a.", "a.b.c", "a.b[", "a.b[x]", "a.b[\"k\"", "1a.b", "a.b[0]x", "module.m"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn instances_sort_by_number() {
        let mut keys: Vec<Address> = (0..12).rev().map(|index| format!("a.b[{index}]").parse().unwrap()).collect();
        keys.sort();
        assert_eq!(keys[2].to_string(), "a.b[2]");
        assert_eq!(keys[11].to_string(), "a.b[11]");
    }
}
