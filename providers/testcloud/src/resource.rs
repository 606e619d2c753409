//! What sets one managed type apart; everything else is the same for all of them.

use retrue_provider_api::{
    Attribute, Block, Capability, Findable, NestedBlock, Nesting, ProviderDiagnostic, Reversibility, TimeLimits,
    TypeSchema, Value,
};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::{bucket, database, instance, network, token};

/// One managed type.
pub(crate) struct Resource {
    /// Its name: `testcloud_bucket`.
    pub(crate) type_name: &'static str,
    /// Its collection in the cloud: `buckets`.
    pub(crate) collection: &'static str,
    /// The attribute that stands in the path of a call.
    pub(crate) key: &'static str,
    /// How it is found again.
    pub(crate) findable: Findable,
    /// Every change ends with a read.
    pub(crate) reads_back: bool,
    /// Deleting it loses data that attributes do not hold.
    pub(crate) holds_data: bool,
    /// What does not come back when a delete is undone.
    pub(crate) lost_by_delete: Option<&'static str>,
    /// The attribute or block that the cloud takes by a call of its own.
    pub(crate) part: Option<&'static str>,
    /// Its schema.
    pub(crate) schema: fn() -> TypeSchema,
    /// What the schema cannot say about a configuration.
    pub(crate) validate: fn(&Value) -> Vec<ProviderDiagnostic>,
    /// Fills in what is known beforehand: the planned value, and what is there.
    pub(crate) fill: fn(Value, &Value) -> Value,
}

/// All managed types.
pub(crate) const RESOURCES: &[&Resource] =
    &[&bucket::BUCKET, &database::DATABASE, &instance::INSTANCE, &network::NETWORK, &token::TOKEN];

/// The managed type of a name.
pub(crate) fn resource(type_name: &str) -> Option<&'static Resource> {
    RESOURCES.iter().find(|resource| resource.type_name == type_name).copied()
}

impl Resource {
    /// What the type can do in a cloud that settles within a time.
    pub(crate) fn capability(&self, settles_within: Duration) -> Capability {
        let change = Duration::from_secs(60);
        Capability {
            findable: self.findable,
            reads_back: self.reads_back,
            holds_data: self.holds_data,
            settles_within,
            time_limits: TimeLimits { create: change, read: Duration::from_secs(20), update: change, delete: change },
            ..Capability::default()
        }
    }

    /// How much of a delete can be undone.
    pub(crate) fn delete_reversibility(&self) -> Reversibility {
        match self.lost_by_delete {
            Some(reason) => Reversibility::Lossy(reason.to_owned()),
            None => Reversibility::Full,
        }
    }
}

/// The schema of a type from its parts.
pub(crate) fn schema<const A: usize, const B: usize>(
    documentation: &str,
    attributes: [(&str, Attribute); A],
    blocks: [(&str, NestedBlock); B],
) -> TypeSchema {
    TypeSchema { block: block(documentation, attributes, blocks), ..TypeSchema::default() }
}

fn block<const A: usize, const B: usize>(
    documentation: &str,
    attributes: [(&str, Attribute); A],
    blocks: [(&str, NestedBlock); B],
) -> Block {
    fn owned<T, const N: usize>(entries: [(&str, T); N]) -> BTreeMap<String, T> {
        entries.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect()
    }
    Block {
        attributes: owned(attributes),
        blocks: owned(blocks),
        documentation: documentation.to_owned(),
        deprecated: None,
    }
}

/// A nested block of any number.
pub(crate) fn nested<const A: usize>(
    nesting: Nesting,
    documentation: &str,
    attributes: [(&str, Attribute); A],
) -> NestedBlock {
    NestedBlock { nesting, block: block(documentation, attributes, []), minimum: 0, maximum: 0 }
}

/// The planned value with a default where it is null.
pub(crate) fn with_default(planned: Value, name: &str, default: Value) -> Value {
    if planned.get(name).is_some_and(Value::is_null) { planned.with_attribute(name, default) } else { planned }
}

/// Whether a name consists of lower-case letters, digits and inner hyphens, as the cloud wants it.
pub(crate) fn check_name(config: &Value) -> Vec<ProviderDiagnostic> {
    let Some(name) = config.get("name").and_then(Value::as_str) else { return Vec::new() };
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.chars().all(inner) && !name.starts_with('-') && !name.ends_with('-') {
        return Vec::new();
    }
    let message = format!("`{name}` is not a name: only lower-case letters, digits and inner hyphens are allowed");
    vec![ProviderDiagnostic::error(retrue_provider_api::Path::attribute("name"), message)]
}
