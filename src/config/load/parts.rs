//! What a configuration consists of, part by part, whatever the order and the files that it is written in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use toml::de::{DeTable, DeValue};

/// A table that has a name, or all the tables of one array: what is changed, added or removed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The hash of what it says. Order of keys, comments and ways to write a value are no part of that.
    pub hash: blake3::Hash,
    /// The file that it is written in; of several, the first.
    pub file: PathBuf,
}

/// By the name that a person would use (`local_file.a`, `variable.x`, `moved`), what a stack consists of.
pub type Parts = BTreeMap<String, Part>;

/// Adds what one file holds.
pub(super) fn add(parts: &mut Parts, file: &Path, root: &DeTable<'_>) {
    let mut put = |name: String, hash: blake3::Hash| {
        let part = parts.entry(name).or_insert_with(|| Part { hash: Hasher::new().finalize(), file: file.into() });
        // Tables of an array stand in several files, and none of them comes first.
        let bytes: Vec<u8> =
            part.hash.as_bytes().iter().zip(hash.as_bytes()).map(|(one, other)| one.wrapping_add(*other)).collect();
        part.hash = <[u8; 32]>::try_from(bytes).map_or(hash, blake3::Hash::from_bytes);
    };
    for (key, item) in root {
        let kind = key.get_ref().as_ref();
        match (kind, item.get_ref()) {
            ("resource" | "data" | "ephemeral", DeValue::Table(types)) => {
                let prefix = if kind == "resource" { String::new() } else { format!("{kind}.") };
                for (type_name, blocks) in types {
                    let DeValue::Table(blocks) = blocks.get_ref() else { continue };
                    for (name, block) in blocks {
                        put(format!("{prefix}{}.{}", type_name.get_ref(), name.get_ref()), hash_of(block.get_ref()));
                    }
                }
            }
            ("variable" | "local" | "provider" | "output" | "check", DeValue::Table(named)) => {
                for (name, item) in named {
                    put(format!("{kind}.{}", name.get_ref()), hash_of(item.get_ref()));
                }
            }
            (_, DeValue::Array(items)) => items.iter().for_each(|item| put(kind.into(), hash_of(item.get_ref()))),
            (_, item) => put(kind.into(), hash_of(item)),
        }
    }
}

fn hash_of(value: &DeValue<'_>) -> blake3::Hash {
    let mut hasher = Hasher::new();
    write(value, &mut hasher);
    hasher.finalize()
}

fn write(value: &DeValue<'_>, hasher: &mut Hasher) {
    match value {
        DeValue::String(text) => text_of('s', text, hasher),
        DeValue::Integer(integer) => text_of('i', &format!("{}/{}", integer.radix(), integer.as_str()), hasher),
        DeValue::Float(float) => text_of('f', float.as_str(), hasher),
        DeValue::Boolean(truth) => text_of('b', if *truth { "true" } else { "false" }, hasher),
        DeValue::Datetime(moment) => text_of('d', &moment.to_string(), hasher),
        DeValue::Array(items) => {
            text_of('a', &items.len().to_string(), hasher);
            items.iter().for_each(|item| write(item.get_ref(), hasher));
        }
        DeValue::Table(table) => {
            text_of('t', &table.len().to_string(), hasher);
            let mut sorted: Vec<_> = table.iter().map(|(key, item)| (key.get_ref().as_ref(), item)).collect();
            sorted.sort_by_key(|(key, _)| *key);
            for (key, item) in sorted {
                text_of('k', key, hasher);
                write(item.get_ref(), hasher);
            }
        }
    }
}

/// A text that nothing else can be mistaken for.
fn text_of(kind: char, text: &str, hasher: &mut Hasher) {
    hasher.update(format!("{kind}{}:", text.len()).as_bytes());
    hasher.update(text.as_bytes());
}
