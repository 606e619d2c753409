//! What the provider offers. It has no configuration of its own.

use std::sync::Arc;

use retrue_provider_api::{ProviderSchema, TypeSchema};

use crate::data;

pub(crate) fn schema() -> ProviderSchema {
    ProviderSchema {
        provider: TypeSchema::default(),
        resources: [(data::TYPE.to_owned(), Arc::new(data::schema()))].into(),
        ..ProviderSchema::default()
    }
}
