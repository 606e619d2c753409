//! Schemas: from what a provider sends to the contract's form.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use prost::Message;
use retrue_provider_api::{
    Attribute, AttributeKind, Block, FunctionParameter, FunctionSchema, NestedBlock, Nesting, ObjectType, Offered,
    ProviderSchema, Type, TypeSchema,
};

use crate::codec::{CodecError, type_of};
use crate::shape::Form;
use crate::wire;
use crate::wire::AttributeMessage;

/// What a provider said about itself.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) schema: Arc<ProviderSchema>,
    pub(crate) provider: Arc<Kind>,
    pub(crate) resources: Kinds,
    pub(crate) data: Kinds,
    pub(crate) ephemeral: Kinds,
    /// The version and the type of the identity, by name of the type.
    pub(crate) identities: BTreeMap<String, (i64, Type)>,
    pub(crate) plans_deletes: bool,
    pub(crate) moves_state: bool,
    /// Whether it need not be asked for its schema before anything else.
    pub(crate) schema_optional: bool,
    /// A hash of all that it said of its types and functions.
    told: Option<blake3::Hash>,
}

impl Loaded {
    /// Whether both say the same of types and functions. Where the words are the same, none of them has to be read.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        (self.told.is_some() && self.told == other.told) || self.schema == other.schema
    }
}

/// Types by name. A provider has a thousand, and a stack uses a few: they are read when they are asked for, and shared.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    offered: Offered,
    kinds: BTreeMap<String, OnceLock<Arc<Kind>>>,
}

impl Kinds {
    fn of(offered: &Offered) -> Self {
        let kinds = offered.keys().map(|name| (name.clone(), OnceLock::new())).collect();
        Kinds { offered: offered.clone(), kinds }
    }

    /// One of them; `None` where there is none of that name that can be read.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Kind>> {
        let kind = self.kinds.get(name)?;
        let schema = self.offered.get(name)?;
        Some(kind.get_or_init(|| Kind::of(Arc::clone(schema))))
    }
}

/// A type, and what values of it look like on the wire.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    pub(crate) schema: Arc<TypeSchema>,
    wire: OnceLock<Type>,
    form: OnceLock<Form>,
}

impl Kind {
    pub(crate) fn of(schema: Arc<TypeSchema>) -> Arc<Self> {
        Arc::new(Kind { schema, ..Kind::default() })
    }

    pub(crate) fn block(&self) -> &Block {
        &self.schema.block
    }

    /// What values of it look like on the wire.
    pub(crate) fn wire(&self) -> &Type {
        self.wire.get_or_init(|| self.schema.block.value_type().without_optional())
    }

    /// What they are brought to before they are sent, and after they came.
    pub(crate) fn form(&self) -> &Form {
        self.form.get_or_init(|| Form::of(&self.schema.block))
    }

    /// Whether it looks as the first SDK makes types: its `id` may be set, which it never really is. Such
    /// providers do not tell null from empty.
    pub(crate) fn looks_legacy(&self) -> bool {
        self.block().attributes.get("id").is_some_and(|id| id.optional && id.computed)
    }
}

/// Translates what a provider said.
///
/// # Errors
/// What it takes itself, or a function of it, has something in it that is no type or no nesting. What is wrong in one of
/// its types is told where that is asked for.
pub(crate) fn load<A: AttributeMessage>(
    response: wire::SchemaResponse<A>,
    identities: HashMap<String, wire::IdentitySchema>,
) -> Result<Loaded, CodecError> {
    let told = Some(hash(&response));
    let functions = response.functions.into_iter().map(|(name, function)| Ok((name, function_schema(function)?)));
    let capabilities = response.capabilities.unwrap_or_default();
    let schema = ProviderSchema {
        provider: response.provider.map(type_schema).transpose()?.unwrap_or_default(),
        resources: types::<A>(response.resources),
        data: types::<A>(response.data),
        ephemeral: types::<A>(response.ephemeral),
        functions: functions.collect::<Result<_, CodecError>>()?,
    };
    Ok(Loaded {
        provider: Kind::of(Arc::new(schema.provider.clone())),
        resources: Kinds::of(&schema.resources),
        data: Kinds::of(&schema.data),
        ephemeral: Kinds::of(&schema.ephemeral),
        schema: Arc::new(schema),
        identities: identities.into_iter().map(identity).collect::<Result<_, _>>()?,
        plans_deletes: capabilities.plan_destroy,
        moves_state: capabilities.move_state,
        schema_optional: capabilities.schema_optional,
        told,
    })
}

/// A hash of what a provider said, in whatever order.
fn hash<A: AttributeMessage>(response: &wire::SchemaResponse<A>) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(bytes);
    };
    add(&response.provider.as_ref().map(Message::encode_to_vec).unwrap_or_default());
    let functions = response.functions.iter().map(|(name, function)| (name.clone(), function.encode_to_vec()));
    for types in [&response.resources, &response.data, &response.ephemeral, &functions.collect()] {
        let sorted: BTreeMap<&String, &Vec<u8>> = types.iter().collect();
        add(&sorted.len().to_le_bytes());
        for (name, bytes) in sorted {
            add(name.as_bytes());
            add(bytes);
        }
    }
    hasher.finalize()
}

fn types<A: AttributeMessage>(schemas: HashMap<String, Vec<u8>>) -> Offered {
    let names: Vec<String> = schemas.keys().cloned().collect();
    Offered::later(names, move |name| {
        let bytes = schemas.get(name).map(Vec::as_slice).unwrap_or_default();
        let schema = wire::Schema::<A>::decode(bytes).map_err(|error| error.to_string())?;
        type_schema(schema).map_err(|error| error.to_string())
    })
}

fn type_schema<A: AttributeMessage>(schema: wire::Schema<A>) -> Result<TypeSchema, CodecError> {
    Ok(TypeSchema {
        version: u64::try_from(schema.version).unwrap_or(0),
        block: schema.block.map(block).transpose()?.unwrap_or_default(),
        identity_space: None,
    })
}

fn block<A: AttributeMessage>(block: wire::Block<A>) -> Result<Block, CodecError> {
    let attributes =
        block.attributes.into_iter().map(|attribute| named(attribute.into_six())).collect::<Result<_, _>>()?;
    let mut blocks = BTreeMap::new();
    for nested in block.blocks {
        let inner = nested.block.map(self::block).transpose()?.unwrap_or_default();
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        blocks.insert(
            nested.name,
            NestedBlock {
                nesting: nesting(nested.nesting)?,
                block: inner,
                minimum: count(nested.minimum),
                maximum: count(nested.maximum),
            },
        );
    }
    Ok(Block {
        attributes,
        blocks,
        documentation: block.description,
        deprecated: deprecation(block.deprecated, block.deprecation_message),
    })
}

fn named(attribute: wire::Attribute6) -> Result<(String, Attribute), CodecError> {
    let kind = match attribute.nested {
        Some(nested) => AttributeKind::Nested(
            nesting(nested.nesting)?,
            nested.attributes.into_iter().map(named).collect::<Result<_, _>>()?,
        ),
        None => AttributeKind::Value(forgiving(type_of(&attribute.kind)?)),
    };
    let translated = Attribute {
        kind,
        required: attribute.required,
        optional: attribute.optional,
        computed: attribute.computed,
        sensitive: attribute.sensitive,
        write_only: attribute.write_only,
        deprecated: deprecation(attribute.deprecated, attribute.deprecation_message),
        documentation: attribute.description,
        ..Attribute::optional(Type::Dynamic, "")
    };
    Ok((attribute.name, translated))
}

fn deprecation(deprecated: bool, message: String) -> Option<String> {
    match (deprecated, message.is_empty()) {
        (_, false) => Some(message),
        (true, true) => Some("the provider calls it deprecated".into()),
        (false, true) => None,
    }
}

fn nesting(number: i32) -> Result<Nesting, CodecError> {
    match number {
        1 => Ok(Nesting::Single),
        2 => Ok(Nesting::List),
        3 => Ok(Nesting::Set),
        4 => Ok(Nesting::Map),
        5 => Ok(Nesting::Group),
        _ => Err(CodecError {
            path: retrue_provider_api::Path::root(),
            what: format!("{number} is no way of nesting that this program knows"),
        }),
    }
}

/// The type for configurations. An attribute that is a list or set of objects is written like a block by
/// users of the first SDK: what is left out in it is null.
fn forgiving(kind: Type) -> Type {
    match &kind {
        Type::List(element) if matches!(**element, Type::Object(_)) => Type::list(optional_attributes(element)),
        Type::Set(element) if matches!(**element, Type::Object(_)) => Type::set(optional_attributes(element)),
        _ => kind,
    }
}

fn optional_attributes(kind: &Type) -> Type {
    let Type::Object(object) = kind else { return kind.clone() };
    Type::Object(Arc::new(ObjectType {
        attributes: object.attributes.iter().map(|(name, kind)| (Arc::clone(name), forgiving(kind.clone()))).collect(),
        optional: object.attributes.keys().cloned().collect(),
    }))
}

fn function_schema(function: wire::Function) -> Result<FunctionSchema, CodecError> {
    let parameter = |parameter: wire::Parameter| -> Result<FunctionParameter, CodecError> {
        Ok(FunctionParameter {
            kind: type_of(&parameter.kind)?,
            name: parameter.name,
            nullable: parameter.allows_null,
            takes_unknown: parameter.allows_unknown,
        })
    };
    let documentation = match (function.summary.is_empty(), function.description.is_empty()) {
        (false, false) => format!("{}\n\n{}", function.summary, function.description),
        _ => function.summary + &function.description,
    };
    Ok(FunctionSchema {
        parameters: function.parameters.into_iter().map(parameter).collect::<Result<Vec<_>, _>>()?,
        variadic: function.variadic.map(parameter).transpose()?,
        result: function.result.map(|result| type_of(&result.kind)).transpose()?.unwrap_or(Type::Dynamic),
        documentation,
    })
}

fn identity((name, schema): (String, wire::IdentitySchema)) -> Result<(String, (i64, Type)), CodecError> {
    let attributes = schema
        .attributes
        .iter()
        .map(|attribute| Ok((attribute.name.clone(), type_of(&attribute.kind)?)))
        .collect::<Result<Vec<_>, CodecError>>()?;
    Ok((name, (schema.version, Type::object(attributes))))
}

#[cfg(test)]
mod tests;
