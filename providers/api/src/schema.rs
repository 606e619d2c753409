//! What a type looks like: attributes, nested blocks, and what may be done with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::offered::Offered;
use crate::types::{ObjectType, Type};

/// Everything that one provider offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderSchema {
    /// The configuration of the provider itself.
    pub provider: TypeSchema,
    /// Managed types by name.
    pub resources: Offered,
    /// Data types by name: read, never changed.
    pub data: Offered,
    /// Types whose values never rest.
    pub ephemeral: Offered,
    /// Functions by name.
    pub functions: BTreeMap<String, FunctionSchema>,
}

/// One type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSchema {
    /// Grows when the meaning of recorded state changes; `upgrade_state` bridges the difference.
    pub version: u64,
    /// Its attributes and blocks.
    pub block: Block,
    /// The name of what its identities are unique in, where other types share it: what is at a path is a file or
    /// a directory, and never both. Without one they are unique within the type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_space: Option<String>,
}

impl TypeSchema {
    /// What the identities of the type `name` are unique in.
    pub fn identity_space<'a>(&'a self, name: &'a str) -> &'a str {
        self.identity_space.as_deref().unwrap_or(name)
    }
}

/// Attributes and nested blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
    /// Nested blocks by name.
    pub blocks: BTreeMap<String, NestedBlock>,
    /// Markdown for people.
    pub documentation: String,
    /// Why it should no longer be used.
    pub deprecated: Option<String>,
}

/// One attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Its type, or what is nested in it.
    pub kind: AttributeKind,
    /// The configuration must set it.
    pub required: bool,
    /// The configuration may set it.
    pub optional: bool,
    /// The provider may set it.
    pub computed: bool,
    /// Its values are secret.
    pub sensitive: bool,
    /// It is sent and never returned, planned or recorded.
    pub write_only: bool,
    /// It changes by itself; a difference means nothing (time of last access).
    pub volatile: bool,
    /// A change of it means delete and create.
    pub replace_on_change: bool,
    /// It is part of the natural identity of an object of the type.
    pub identity: bool,
    /// In the configuration of a provider: known not to be secret.
    pub harmless: bool,
    /// A change of it alone changes nothing outside and is no reason for a step, but the new value is
    /// recorded by the next apply (the text of a command that is run on delete).
    #[serde(default)]
    pub inert: bool,
    /// `read` cannot see it and repeats what was recorded: an update in doubt that changes it cannot be
    /// settled by looking, and its drift is not seen.
    #[serde(default)]
    pub unobserved: bool,
    /// Attributes that its value is made from: where one of them is not null and sensitive, by mark or
    /// by schema, it is sensitive, too (an output that repeats its input).
    #[serde(default)]
    pub derived_from: Vec<String>,
    /// Markdown for people.
    pub documentation: String,
    /// Why it should no longer be used.
    pub deprecated: Option<String>,
}

/// The type of an attribute, or the attributes nested in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// A plain value.
    Value(Type),
    /// Attributes with flags of their own.
    Nested(Nesting, BTreeMap<String, Attribute>),
}

/// How many of something nested there are, and how they are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nesting {
    /// One, or null.
    Single,
    /// One, always; absent means an object of nulls. Only for blocks.
    Group,
    /// Any number, in order.
    List,
    /// Any number, without order.
    Set,
    /// Any number, by key.
    Map,
}

/// A nested block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedBlock {
    /// How many and how kept apart.
    pub nesting: Nesting,
    /// Its attributes and blocks.
    pub block: Block,
    /// At least so many.
    pub minimum: u64,
    /// At most so many; 0 for no limit.
    pub maximum: u64,
}

/// A function that a provider offers to expressions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionSchema {
    /// Positional parameters.
    pub parameters: Vec<FunctionParameter>,
    /// What any further arguments are.
    pub variadic: Option<FunctionParameter>,
    /// The type of its result.
    pub result: Type,
    /// Markdown for people.
    pub documentation: String,
}

/// One parameter of a function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionParameter {
    /// Its name, for messages.
    pub name: String,
    /// Its type; `dynamic` takes anything.
    pub kind: Type,
    /// The function takes null.
    pub nullable: bool,
    /// The function takes what is not known, in whole or in part. Else its result is unknown then, and it is
    /// not called.
    pub takes_unknown: bool,
}

impl FunctionSchema {
    /// The parameter of an argument.
    pub fn parameter(&self, position: usize) -> Option<&FunctionParameter> {
        self.parameters.get(position).or(self.variadic.as_ref())
    }
}

impl Attribute {
    fn of(kind: Type, documentation: &str) -> Self {
        Attribute {
            kind: AttributeKind::Value(kind),
            required: false,
            optional: false,
            computed: false,
            sensitive: false,
            write_only: false,
            volatile: false,
            replace_on_change: false,
            identity: false,
            harmless: false,
            inert: false,
            unobserved: false,
            derived_from: Vec::new(),
            documentation: documentation.to_owned(),
            deprecated: None,
        }
    }

    /// An attribute that the configuration must set.
    pub fn required(kind: Type, documentation: &str) -> Self {
        Attribute { required: true, ..Self::of(kind, documentation) }
    }

    /// An attribute that the configuration may set.
    pub fn optional(kind: Type, documentation: &str) -> Self {
        Attribute { optional: true, ..Self::of(kind, documentation) }
    }

    /// An attribute that only the provider sets.
    pub fn computed(kind: Type, documentation: &str) -> Self {
        Attribute { computed: true, ..Self::of(kind, documentation) }
    }

    /// An attribute that the configuration may set, and the provider sets where it does not.
    pub fn optional_computed(kind: Type, documentation: &str) -> Self {
        Attribute { optional: true, computed: true, ..Self::of(kind, documentation) }
    }

    /// The same attribute, part of the natural identity and therefore replaced on change.
    #[must_use]
    pub fn identity(self) -> Self {
        Attribute { identity: true, replace_on_change: true, ..self }
    }

    /// The same attribute, replaced on change.
    #[must_use]
    pub fn replaces(self) -> Self {
        Attribute { replace_on_change: true, ..self }
    }

    /// The same attribute, secret.
    #[must_use]
    pub fn sensitive(self) -> Self {
        Attribute { sensitive: true, ..self }
    }

    /// The same attribute, changing by itself.
    #[must_use]
    pub fn volatile(self) -> Self {
        Attribute { volatile: true, ..self }
    }

    /// The same attribute, sent and never kept.
    #[must_use]
    pub fn write_only(self) -> Self {
        Attribute { write_only: true, ..self }
    }

    /// The same attribute, known not to be secret in a provider's configuration.
    #[must_use]
    pub fn harmless(self) -> Self {
        Attribute { harmless: true, ..self }
    }

    /// The same attribute, whose change alone is no reason for a step.
    #[must_use]
    pub fn inert(self) -> Self {
        Attribute { inert: true, ..self }
    }

    /// The same attribute, which no read can see.
    #[must_use]
    pub fn unobserved(self) -> Self {
        Attribute { unobserved: true, ..self }
    }

    /// The same attribute, as secret as the ones that it is made from.
    #[must_use]
    pub fn derived_from(self, names: &[&str]) -> Self {
        Attribute { derived_from: names.iter().map(|&name| name.to_owned()).collect(), ..self }
    }

    /// Whether a configuration may set it.
    pub fn settable(&self) -> bool {
        self.required || self.optional
    }

    /// The type of its values.
    pub fn value_type(&self) -> Type {
        match &self.kind {
            AttributeKind::Value(kind) => kind.clone(),
            AttributeKind::Nested(nesting, attributes) => {
                let object = Type::object(
                    attributes
                        .iter()
                        .map(|(name, attribute)| (Arc::<str>::from(name.as_str()), attribute.value_type())),
                );
                nesting.wrap(object)
            }
        }
    }
}

impl Nesting {
    /// The type of a whole, given the type of one.
    pub fn wrap(self, one: Type) -> Type {
        match self {
            Nesting::Single | Nesting::Group => one,
            Nesting::List => Type::list(one),
            Nesting::Set => Type::set(one),
            Nesting::Map => Type::map(one),
        }
    }
}

impl Block {
    /// The type of an object with all the attributes and blocks.
    ///
    /// A list or map block whose content holds `dynamic` is a tuple or object of its own making,
    /// so its type is `dynamic` here, as in Terraform.
    pub fn value_type(&self) -> Type {
        let mut object = ObjectType::default();
        for (name, attribute) in &self.attributes {
            object.attributes.insert(name.as_str().into(), attribute.value_type());
        }
        for (name, nested) in &self.blocks {
            let inner = nested.block.value_type();
            let kind = match nested.nesting {
                Nesting::List | Nesting::Map if inner.has_dynamic() => Type::Dynamic,
                nesting => nesting.wrap(inner),
            };
            object.attributes.insert(name.as_str().into(), kind);
        }
        Type::Object(Arc::new(object))
    }

    /// The names of the attributes that make up the natural identity, sorted.
    pub fn identity_attributes(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().filter(|(_, attribute)| attribute.identity).map(|(name, _)| name.as_str())
    }
}
