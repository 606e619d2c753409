//! What only the provider can check.

use retrue_provider_api::{ProviderDiagnostic, ProviderResult, Subject, ValidateRequest};

use crate::client::capabilities;
use crate::codec::encode;
use crate::diagnostic::translate;
use crate::provider::Terraform;
use crate::shape::shape;
use crate::wire;
use crate::wire::Method;

impl Terraform {
    pub(crate) async fn validate_config(&self, request: ValidateRequest) -> ProviderResult<Vec<ProviderDiagnostic>> {
        let loaded = self.client.loaded().await?;
        let name = request.type_name.as_str();
        let kind = match request.subject {
            Subject::Provider => Some(&loaded.provider),
            Subject::Resource => loaded.resources.get(name),
            Subject::Data => loaded.data.get(name),
            Subject::Ephemeral => loaded.ephemeral.get(name),
        };
        let Some(kind) = kind else { return Err(self.no_type("validate", name)) };
        let config = shape(kind.form(), &request.config);
        let message = match encode(&config, kind.wire()) {
            Ok(message) => Some(message),
            Err(error) => {
                return Ok(vec![ProviderDiagnostic {
                    error: true,
                    message: error.what,
                    detail: String::new(),
                    path: Some(error.path).filter(|path| !path.0.is_empty()),
                }]);
            }
        };
        let diagnostics = if request.subject == Subject::Provider {
            let request = wire::ValidateProviderRequest { config: message };
            let answer: wire::ValidateProviderResponse = self.client.ask(Method::ValidateProvider, request).await?;
            answer.diagnostics
        } else {
            let method = match request.subject {
                Subject::Resource => Method::ValidateResource,
                Subject::Ephemeral => Method::ValidateEphemeral,
                _ => Method::ValidateData,
            };
            // Only a managed type can have attributes that are sent and never returned.
            let capabilities = (method == Method::ValidateResource).then(|| capabilities(true));
            let request = wire::ValidateRequest { type_name: name.to_owned(), config: message, capabilities };
            let answer: wire::ValidateResponse = self.client.ask(method, request).await?;
            answer.diagnostics
        };
        Ok(translate(&diagnostics, &[&config]))
    }
}
