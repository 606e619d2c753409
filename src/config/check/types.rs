//! The types that providers offer.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{Offered, ProviderSchema, TypeSchema};

use crate::address::Mode;
use crate::config::codes;
use crate::config::stack::{ResourceBlock, Stack};
use crate::diagnostic::Diagnostic;
use crate::expression::nearest;
use crate::span::Span;

/// The schemas of all providers that can be used, by the name of the provider.
#[derive(Clone, Debug, Default)]
pub struct Schemas(BTreeMap<Arc<str>, Arc<ProviderSchema>>);

impl FromIterator<(Arc<str>, Arc<ProviderSchema>)> for Schemas {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Arc<ProviderSchema>)>>(schemas: I) -> Self {
        Schemas(schemas.into_iter().collect())
    }
}

impl Schemas {
    /// The schema of one provider.
    pub fn provider(&self, name: &str) -> Option<&ProviderSchema> {
        self.0.get(name).map(AsRef::as_ref)
    }

    /// The same, to be kept.
    pub(super) fn shared(&self, name: &str) -> Option<Arc<ProviderSchema>> {
        self.0.get(name).cloned()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ProviderSchema)> {
        self.0.iter().map(|(name, schema)| (name.as_ref(), schema.as_ref()))
    }

    /// The schema of the type of a block.
    ///
    /// # Errors
    /// No provider offers the type.
    pub fn of_block(&self, stack: &Stack, block: &ResourceBlock) -> Result<&TypeSchema, Box<Diagnostic>> {
        let (mode, type_name) = (block.address.mode, block.address.type_name.as_ref());
        let provider = stack.provider_type(block);
        let offered = self.provider(&provider).and_then(|schema| types(schema, mode).get(type_name));
        offered.map(Arc::as_ref).ok_or_else(|| Box::new(self.no_type(mode, type_name, &provider, block.span)))
    }

    fn no_type(&self, mode: Mode, type_name: &str, provider: &str, span: Span) -> Diagnostic {
        let what = mode.noun();
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_TYPE, format!("there is no {what} of the type `{type_name}`"));
        let diagnostic = diagnostic.at(span);
        let unreadable = self.provider(provider).and_then(|schema| types(schema, mode).problem(type_name));
        if let Some(why) = unreadable {
            let message =
                format!("the provider `{provider}` says of its type `{type_name}` what cannot be read: {why}");
            return Diagnostic { message, ..diagnostic }
                .hint("this is a defect of the provider; its other types can be used");
        }
        let elsewhere = self.0.iter().find(|(_, schema)| types(schema, mode).contains_key(type_name));
        if let Some((owner, _)) = elsewhere {
            let message = format!("the provider `{provider}` has no {what} of the type `{type_name}`");
            return Diagnostic { message, ..diagnostic }.hint(format!("it is one of the provider `{owner}`"));
        }
        let others = [Mode::Managed, Mode::Data, Mode::Ephemeral].into_iter().filter(|other| *other != mode);
        for other in others {
            if self.0.values().any(|schema| types(schema, other).contains_key(type_name)) {
                let article = if other == Mode::Ephemeral { "an" } else { "a" };
                let (noun, table) = (other.noun(), other.table());
                return diagnostic.hint(format!("it is {article} {noun}: write `[{table}.{type_name}.NAME]`"));
            }
        }
        let known = || self.0.values().flat_map(|schema| types(schema, mode).keys()).map(String::as_str);
        if let Some(near) = nearest(type_name, known()) {
            return diagnostic.hint(format!("did you mean `{near}`?"));
        }
        match self.provider(provider) {
            Some(schema) => {
                let known: Vec<&str> = types(schema, mode).keys().take(12).map(String::as_str).collect();
                match known.is_empty() {
                    true => diagnostic.hint(format!("the provider `{provider}` has none of this kind")),
                    false => diagnostic.hint(format!("the provider `{provider}` has {}", known.join(", "))),
                }
            }
            None => diagnostic.hint(format!("there is no provider `{provider}` either; there are {}", self.names())),
        }
    }

    pub(super) fn no_provider(&self, name: &str, span: Span) -> Diagnostic {
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_PROVIDER, format!("there is no provider of the type `{name}`")).at(span);
        match nearest(name, self.0.keys().map(AsRef::as_ref)) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic.hint(format!("there are {}; `type` says which one it is", self.names())),
        }
    }

    fn names(&self) -> String {
        self.0.keys().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ")
    }
}

/// The types of a mode.
pub fn types(schema: &ProviderSchema, mode: Mode) -> &Offered {
    match mode {
        Mode::Managed => &schema.resources,
        Mode::Data => &schema.data,
        Mode::Ephemeral => &schema.ephemeral,
    }
}
