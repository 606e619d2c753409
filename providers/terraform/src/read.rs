//! What is there.

use retrue_provider_api::{Data, Observed, Private, ProviderResult, ReadRequest, Type, Value, from_wire};

use crate::client::capabilities;
use crate::codec::{CodecError, decode, encode, nothing, plain_json, to_json};
use crate::diagnostic::refuse_errors;
use crate::marker::unmarked;
use crate::provider::Terraform;
use crate::schema::Kind;
use crate::shape::shape;
use crate::wire;
use crate::wire::{Method, RawState};

impl Terraform {
    pub(crate) async fn read_object(&self, request: ReadRequest) -> ProviderResult<Option<Observed>> {
        self.client.configured("read").await?;
        let (_, kind) = self.resource("read", &request.type_name).await?;
        // Also at the same version: providers mend what an earlier release of theirs has written.
        let recorded = plain_json(&shape(kind.form(), &request.state), kind.wire());
        let state = self.upgrade(&request.type_name, &kind, kind.schema.version, &recorded).await?;
        self.read_state(&request.type_name, &kind, &state, request.private, request.identity, Some(&request.state))
            .await
    }

    /// Reads by a state that the provider has just seen. `recorded` is what it is compared with.
    pub(crate) async fn read_state(
        &self,
        type_name: &str,
        kind: &Kind,
        state: &Value,
        private: Private,
        identity: Option<Value>,
        recorded: Option<&Value>,
    ) -> ProviderResult<Option<Observed>> {
        let loaded = self.client.loaded().await?;
        let message = wire::ReadRequest {
            type_name: type_name.to_owned(),
            state: Some(encode(state, kind.wire()).map_err(|error| self.client.unsendable("read", error))?),
            private: private.0,
            meta: Some(nothing()),
            capabilities: Some(capabilities(false)),
            identity: Self::identity_message(loaded, type_name, identity.as_ref()),
        };
        let answer: wire::ReadResponse = self.client.ask(Method::Read, message).await?;
        let warnings = refuse_errors(self.client.tables(), "read", &answer.diagnostics, &[state])?;
        warnings.iter().for_each(|warning| tracing::warn!(type_name, "{warning}"));
        let found =
            decode(answer.state.as_ref(), kind.wire()).map_err(|error| self.client.unreadable("read", error))?;
        if found.is_null() {
            return Ok(None);
        }
        let like = recorded.unwrap_or(state);
        let mut found = unmarked(kind.block(), shape(kind.form(), &found), like);
        if let Some(recorded) = recorded
            && self.is_legacy(type_name, kind)
        {
            found = as_recorded(&shape(kind.form(), recorded), &found);
        }
        Ok(Some(Observed {
            state: found,
            private: Private(answer.private),
            identity: Self::identity_of(loaded, type_name, answer.identity.as_ref()).or(identity),
            marker: None,
        }))
    }

    /// Brings recorded state, in the typed wire form, to the schema of today.
    pub(crate) async fn upgrade_recorded(
        &self,
        type_name: &str,
        version: u64,
        state: &serde_json::Value,
    ) -> ProviderResult<Value> {
        let (_, kind) = self.resource("upgrade_state", type_name).await?;
        let recorded = from_wire(state)
            .map_err(|error| self.client.unsendable("upgrade_state", CodecError::of(error.to_string())))?;
        self.upgrade(type_name, &kind, version, &plain_json(&recorded, kind.wire())).await
    }

    /// Reads state as a state file holds it.
    pub(crate) async fn take_over_state(
        &self,
        type_name: &str,
        version: u64,
        state: &serde_json::Value,
    ) -> ProviderResult<Value> {
        let (_, kind) = self.resource("take_over", type_name).await?;
        self.upgrade(type_name, &kind, version, state).await
    }

    /// Writes state as a state file holds it.
    pub(crate) async fn hand_over_state(&self, type_name: &str, state: &Value) -> ProviderResult<serde_json::Value> {
        let (_, kind) = self.resource("hand_over", type_name).await?;
        to_json(&shape(kind.form(), state), kind.wire()).map_err(|error| self.client.unsendable("hand_over", error))
    }

    async fn upgrade(
        &self,
        type_name: &str,
        kind: &Kind,
        version: u64,
        state: &serde_json::Value,
    ) -> ProviderResult<Value> {
        let message = wire::UpgradeRequest {
            type_name: type_name.to_owned(),
            version: i64::try_from(version).unwrap_or(i64::MAX),
            state: Some(RawState { json: state.to_string().into_bytes(), flatmap: Default::default() }),
        };
        let answer: wire::UpgradeResponse = self.client.ask(Method::UpgradeState, message).await?;
        refuse_errors(self.client.tables(), "upgrade_state", &answer.diagnostics, &[])?;
        let upgraded = decode(answer.state.as_ref(), kind.wire());
        let upgraded = upgraded.map_err(|error| self.client.unreadable("upgrade_state", error))?;
        Ok(shape(kind.form(), &upgraded))
    }
}

/// What was found, with null and empty collections as they are recorded: the first SDK does not tell them
/// apart, and a difference between them is none.
pub(crate) fn as_recorded(recorded: &Value, found: &Value) -> Value {
    match (recorded.data(), found.data()) {
        (Data::Null(_), _) if is_empty_collection(found) => recorded.clone(),
        (_, Data::Null(kind)) if is_empty_collection(recorded) && *kind != Type::Dynamic => recorded.clone(),
        (Data::Object(before), Data::Object(now)) => Value::object(now.iter().map(|(name, now)| {
            let value = before.get(name).map_or_else(|| now.clone(), |before| as_recorded(before, now));
            (name.clone(), value)
        })),
        (Data::List(_, before), Data::List(kind, now)) if before.len() == now.len() => {
            Value::list(kind.clone(), before.iter().zip(now.iter()).map(|(before, now)| as_recorded(before, now)))
        }
        _ => found.clone(),
    }
}

fn is_empty_collection(value: &Value) -> bool {
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) => items.is_empty(),
        Data::Map(_, entries) => entries.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_empty_are_one() {
        let tags = |tags: Value| Value::object([("tags", tags)]);
        let empty = || tags(Value::map::<&str>(Type::String, []));
        let null = || tags(Value::null(Type::map(Type::String)));
        let some = || tags(Value::map(Type::String, [("a", Value::from("b"))]));
        assert_eq!(as_recorded(&null(), &empty()), null());
        assert_eq!(as_recorded(&empty(), &null()), empty());
        assert_eq!(as_recorded(&null(), &some()), some());
        assert_eq!(as_recorded(&some(), &null()), null());
    }
}
