use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Scope, evaluate};
use retrue_provider_api::{Block, Type, Value, convert};
pub fn evaluate_body(body: &Expression, block: &Block, scope: &dyn Scope) -> Result<Value, Vec<Diagnostic>> {
    let value = evaluate(body, scope).map_err(|errors| errors.into_iter().map(Diagnostic::from).collect::<Vec<_>>())?;
    let kind = block.value_type();
    let Type::Object(object) = &kind else { return Ok(value) };
    Ok(Value::object(object.attributes.iter().map(|(name, kind)| {
        let v = value.get(name).cloned().unwrap_or_else(|| Value::null(kind.clone()));
        (name.clone(), convert(&v, kind).unwrap_or(v))
    })))
}
