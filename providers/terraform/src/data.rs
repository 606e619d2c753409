//! Data, and functions.

use retrue_provider_api::{Category, DataRequest, FunctionParameter, Path, PathStep, ProviderResult, Value, convert};

use crate::client::capabilities;
use crate::codec::{decode, encode, nothing};
use crate::diagnostic::refuse_errors;
use crate::marker::unmarked_everywhere;
use crate::provider::Terraform;
use crate::shape::shape;
use crate::wire;
use crate::wire::Method;

impl Terraform {
    pub(crate) async fn read_source(&self, request: DataRequest) -> ProviderResult<Value> {
        self.client.configured("read_data").await?;
        let name = request.type_name;
        let kind = self.client.loaded().await?.data.get(&name).ok_or_else(|| self.no_type("read_data", &name))?;
        let config = shape(kind.form(), &request.config);
        let message = wire::ReadDataRequest {
            type_name: name.clone(),
            config: Some(encode(&config, kind.wire()).map_err(|error| self.client.unsendable("read_data", error))?),
            meta: Some(nothing()),
            capabilities: Some(capabilities(false)),
        };
        let answer: wire::ReadDataResponse = self.client.ask(Method::ReadData, message).await?;
        let warnings = refuse_errors(self.client.tables(), "read_data", &answer.diagnostics, &[&config])?;
        warnings.iter().for_each(|warning| tracing::warn!(name, "{warning}"));
        let state = decode(answer.state.as_ref(), kind.wire());
        let state = state.map_err(|error| self.client.unreadable("read_data", error))?;
        if state.is_null() || !state.is_wholly_known() {
            let what = format!("it answers nothing for the data `{name}`, which is a mistake in it");
            return Err(self.client.error(Category::NotFound, "read_data", what));
        }
        Ok(unmarked_everywhere(shape(kind.form(), &state)))
    }

    /// Calls a function. Where an argument is unknown and the function does not want to see such, its result is
    /// unknown.
    pub(crate) async fn call_function(&self, name: &str, arguments: Vec<Value>) -> ProviderResult<Value> {
        let invalid =
            |what: String| self.client.error(Category::Validation, "call", format!("function `{name}`: {what}"));
        let loaded = self.client.loaded().await?;
        let function = loaded.schema.functions.get(name).ok_or_else(|| invalid("there is no such function".into()))?;
        let fixed = function.parameters.len();
        if arguments.len() < fixed || arguments.len() > fixed && function.variadic.is_none() {
            return Err(invalid(format!("it takes {fixed} arguments, and {} are given", arguments.len())));
        }
        let mut messages = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            let Some(parameter) = function.parameter(index) else { continue };
            let FunctionParameter { name, kind, nullable, takes_unknown } = parameter;
            let wrong = |what: String| invalid(format!("argument `{name}`: {what}")).at(position(index));
            let argument = convert(argument, kind).map_err(|error| wrong(error.to_string()))?;
            if argument.is_null() && !nullable {
                return Err(wrong("it must not be null".into()));
            }
            if !argument.is_wholly_known() && !takes_unknown {
                return Ok(Value::unknown(function.result.without_optional()));
            }
            let kind = kind.without_optional();
            messages.push(encode(&argument, &kind).map_err(|error| wrong(error.to_string()))?);
        }
        let message = wire::CallRequest { name: name.to_owned(), arguments: messages };
        let answer: wire::CallResponse = self.client.ask(Method::Call, message).await?;
        if let Some(error) = answer.error {
            let told = self.client.error(Category::Validation, "call", error.text.trim());
            return Err(match error.argument.and_then(|at| usize::try_from(at).ok()) {
                Some(at) => told.at(position(at)),
                None => told,
            });
        }
        decode(answer.result.as_ref(), &function.result.without_optional())
            .map_err(|error| self.client.unreadable("call", error))
    }
}

/// Which argument an error is about.
fn position(index: usize) -> Path {
    Path::root().child(PathStep::Index(index))
}
