//! What never rests: opened, prolonged, closed.

use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use retrue_provider_api::{Category, DataRequest, Opened, Private, ProviderResult};

use crate::client::capabilities;
use crate::codec::{decode, encode};
use crate::diagnostic::refuse_errors;
use crate::provider::Terraform;
use crate::shape::shape;
use crate::wire;
use crate::wire::{Method, Timestamp};

impl Terraform {
    pub(crate) async fn open_ephemeral(&self, request: DataRequest) -> ProviderResult<Opened> {
        self.client.configured("open").await?;
        let name = request.type_name;
        let kind = self.client.loaded().await?.ephemeral.get(&name).ok_or_else(|| self.no_type("open", &name))?;
        let config = shape(kind.form(), &request.config);
        let message = wire::OpenRequest {
            type_name: name.clone(),
            config: Some(encode(&config, kind.wire()).map_err(|error| self.client.unsendable("open", error))?),
            capabilities: Some(capabilities(false)),
        };
        let answer: wire::OpenResponse = self.client.ask(Method::Open, message).await?;
        refuse_errors(self.client.tables(), "open", &answer.diagnostics, &[&config])?;
        let value = decode(answer.result.as_ref(), kind.wire());
        let value = value.map_err(|error| self.client.unreadable("open", error))?;
        if value.is_null() {
            return Err(self.client.error(
                Category::Unknown,
                "open",
                format!("it opened no `{name}`, and gives no error"),
            ));
        }
        Ok(Opened {
            value: shape(kind.form(), &value),
            private: Private(answer.private.unwrap_or_default()),
            renew_at: answer.renew_at.and_then(instant),
        })
    }

    /// A provider may give new private bytes with each renewal, of which the caller does not know.
    pub(crate) async fn renew_ephemeral(&self, type_name: &str, opened: Private) -> ProviderResult<Option<Instant>> {
        let key = (type_name.to_owned(), opened.0);
        let newest = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let private = Some(newest.unwrap_or_else(|| key.1.clone()));
        let message = wire::RenewRequest { type_name: type_name.to_owned(), private };
        let answer: wire::RenewResponse = self.client.ask(Method::Renew, message).await?;
        refuse_errors(self.client.tables(), "renew", &answer.diagnostics, &[])?;
        if let Some(private) = answer.private {
            self.renewed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, private);
        }
        Ok(answer.renew_at.and_then(instant))
    }

    pub(crate) async fn close_ephemeral(&self, type_name: &str, opened: Private) -> ProviderResult<()> {
        let key = (type_name.to_owned(), opened.0);
        let newest = self.renewed.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        let message = wire::CloseRequest { type_name: key.0, private: Some(newest.unwrap_or(key.1)) };
        let answer: wire::ValidateResponse = self.client.ask(Method::Close, message).await?;
        refuse_errors(self.client.tables(), "close", &answer.diagnostics, &[]).map(|_| ())
    }
}

/// A point in time on our own clock; what has passed is now.
fn instant(time: Timestamp) -> Option<Instant> {
    let seconds = u64::try_from(time.seconds).ok()?;
    let nanoseconds = u32::try_from(time.nanoseconds).ok()?;
    let at = UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds.min(999_999_999)))?;
    let left = at.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}
