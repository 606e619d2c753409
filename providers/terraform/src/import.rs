//! Objects by the id that a person gave, and state that moves between types.

use retrue_provider_api::{Category, ImportRequest, Imported, Observed, Private, ProviderError, ProviderResult};

use crate::client::capabilities;
use crate::codec::{decode, plain_json};
use crate::diagnostic::refuse_errors;
use crate::provider::Terraform;
use crate::shape::shape;
use crate::wire;
use crate::wire::{Method, RawState};

impl Terraform {
    /// An import yields stubs, which say nothing about whether there is such an object: each is read.
    pub(crate) async fn import_objects(&self, request: ImportRequest) -> ProviderResult<Vec<Imported>> {
        let imported = self.import_all(&request).await?;
        if imported.is_empty() {
            return Err(self.missing("import", &format!("no `{}` with the id `{}`", request.type_name, request.id)));
        }
        Ok(imported)
    }

    /// The same, with nothing where nothing is.
    pub(crate) async fn import_all(&self, request: &ImportRequest) -> ProviderResult<Vec<Imported>> {
        self.client.configured("import").await?;
        let (loaded, _) = self.resource("import", &request.type_name).await?;
        let message = wire::ImportRequest {
            type_name: request.type_name.clone(),
            id: request.id.clone(),
            capabilities: Some(capabilities(false)),
            identity: None,
        };
        let answer: wire::ImportResponse = self.client.ask(Method::Import, message).await?;
        refuse_errors(self.client.tables(), "import", &answer.diagnostics, &[])?;
        let mut imported = Vec::new();
        for stub in answer.resources {
            let type_name = if stub.type_name.is_empty() { request.type_name.clone() } else { stub.type_name };
            let (_, kind) = self.resource("import", &type_name).await?;
            let state = decode(stub.state.as_ref(), kind.wire());
            let state = state.map_err(|error| self.client.unreadable("import", error))?;
            if state.is_null() {
                continue;
            }
            let state = shape(kind.form(), &state);
            let identity = Self::identity_of(&loaded, &type_name, stub.identity.as_ref());
            let found = self.read_state(&type_name, &kind, &state, Private(stub.private), identity, None).await?;
            imported.extend(found.map(|object| Imported { type_name, object }));
        }
        Ok(imported)
    }

    pub(crate) async fn move_object(
        &self,
        from_type: &str,
        to_type: &str,
        object: Observed,
    ) -> ProviderResult<Observed> {
        let (loaded, target) = self.resource("move_state", to_type).await?;
        if !loaded.moves_state {
            return Err(ProviderError::unsupported("move_state"));
        }
        // What comes from another provider is known only by its state.
        let source = loaded.resources.get(from_type).cloned().unwrap_or_default();
        let state = plain_json(&shape(source.form(), &object.state), source.wire());
        let message = wire::MoveRequest {
            source_provider: self.client.launch().address.clone(),
            source_type: from_type.to_owned(),
            source_version: i64::try_from(source.schema.version).unwrap_or(i64::MAX),
            source_state: Some(RawState { json: state.to_string().into_bytes(), flatmap: Default::default() }),
            target_type: to_type.to_owned(),
            source_private: object.private.0,
            source_identity: None,
            source_identity_version: 0,
        };
        let answer: wire::MoveResponse = self.client.ask(Method::Move, message).await?;
        refuse_errors(self.client.tables(), "move_state", &answer.diagnostics, &[])?;
        let moved = decode(answer.state.as_ref(), target.wire());
        let moved = moved.map_err(|error| self.client.unreadable("move_state", error))?;
        if moved.is_null() {
            return Err(self.missing("move_state", &format!("the provider made nothing of the `{from_type}`")));
        }
        let identity = Self::identity_of(&loaded, to_type, answer.identity.as_ref());
        let state = shape(target.form(), &moved);
        Ok(Observed { private: Private(answer.private), identity, ..Observed::of(state) })
    }

    fn missing(&self, operation: &str, what: &str) -> ProviderError {
        self.client.error(Category::NotFound, operation, what)
    }
}
