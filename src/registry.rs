//! The providers that are built in, and which types are whose.

use std::sync::Arc;

use retrue_provider_api::{Provider, ProviderResult};

use crate::config::Schemas;

/// One built-in provider.
#[derive(Clone, Copy)]
pub struct BuiltIn {
    /// Its name, which is the prefix of its types.
    pub name: &'static str,
    /// Makes a new, unconfigured one.
    pub make: fn() -> Arc<dyn Provider>,
}

/// All built-in providers, by name.
pub const BUILT_IN: &[BuiltIn] = &[
    BuiltIn { name: "local", make: retrue_provider_local::provider },
    BuiltIn { name: "retrue", make: retrue_provider_builtin::provider },
    BuiltIn { name: "testcloud", make: retrue_provider_testcloud::provider },
];

/// The built-in provider of a name.
pub fn built_in(name: &str) -> Option<BuiltIn> {
    BUILT_IN.iter().find(|provider| provider.name == name).copied()
}

/// The name of the provider that a type belongs to: the part before the first `_`.
pub fn provider_of(type_name: &str) -> &str {
    type_name.split_once('_').map_or(type_name, |(provider, _)| provider)
}

/// The schemas of all built-in providers.
///
/// # Errors
/// A provider cannot tell its schema.
pub async fn schemas() -> ProviderResult<Schemas> {
    let mut schemas = Vec::new();
    for built_in in BUILT_IN {
        schemas.push((Arc::from(built_in.name), (built_in.make)().schema().await?));
    }
    Ok(schemas.into_iter().collect())
}
