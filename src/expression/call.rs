//! Calls of functions; those that need more than values are here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use retrue_provider_api::{Data, Marks, Refinement, Type, Value, convert};

use super::error::{EvalError, codes, nearest};
use super::evaluate::{Errors, Evaluator, Frame, Names, unknown};
use super::functions;
use super::lower::Free;
use super::parse::template;
use super::span_map::SpanMap;
use super::tree::{Call, Expression};
use crate::address::is_identifier;
use crate::span::Span;

impl Evaluator<'_> {
    pub(super) fn call(&self, call: &Call, span: Span, errors: &mut Errors) -> Value {
        if let Some(name) = call.name.strip_prefix("provider::") {
            return self.provided(name, call, span, errors);
        }
        if !functions::exists(&call.name) {
            let message = format!("there is no function `{}`", call.name);
            let hint = nearest(&call.name, functions::names()).map(|near| format!("did you mean `{near}`?"));
            errors.push(EvalError::new(codes::UNKNOWN_FUNCTION, message, call.name_span).maybe_hint(hint));
            return unknown();
        }
        let name = call.name.strip_prefix("core::").unwrap_or(&call.name);
        match name {
            "try" if !call.expand => return self.try_each(&call.arguments, span, errors),
            "can" if !call.expand => return self.can(&call.arguments, span, errors),
            _ => {}
        }
        let before = errors.len();
        let arguments = self.arguments(call, errors);
        if errors.len() > before {
            return unknown();
        }
        let Some(arguments) = arguments else { return unknown() };
        let values: Vec<Value> = arguments.iter().map(|(value, _)| value.clone()).collect();
        let argument_span =
            |index: usize| arguments.get(index).or(arguments.last()).map_or(span, |(_, argument)| *argument);
        let result = match name {
            "templatefile" => self.template_file(&values, span),
            "templatestring" => self.template_string(&values, span),
            // With its arguments in a list there is nothing left to try.
            "try" => values.into_iter().next().ok_or_else(|| vec![no_argument("try", span)]),
            _ => functions::call(name, &values, self.scope.host()).map_err(|error| {
                let place = error.argument.map_or(span, argument_span);
                vec![EvalError::new(codes::FUNCTION, format!("{name}(): {}", error.message), place)]
            }),
        };
        result.unwrap_or_else(|found| {
            errors.extend(found);
            unknown()
        })
    }

    /// A call of `provider::PROVIDER::FUNCTION`.
    fn provided(&self, name: &str, call: &Call, span: Span, errors: &mut Errors) -> Value {
        let refused = |message: String| EvalError::new(codes::UNKNOWN_FUNCTION, message, call.name_span);
        let Some((provider, function)) = name.split_once("::").filter(|(_, function)| !function.contains("::")) else {
            let hint = "a function of a provider is `provider::PROVIDER::FUNCTION`";
            errors.push(refused(format!("`{}` names no function", call.name)).hint(hint));
            return unknown();
        };
        let host = self.scope.host();
        let offered = match host.offers(provider) {
            Ok(offered) => offered,
            Err(message) => {
                let hint = "the name is that of a `[provider.NAME]` of the stack";
                errors.push(refused(message).hint(hint));
                return unknown();
            }
        };
        let Some(schema) = offered.functions.get(function) else {
            let near = nearest(function, offered.functions.keys().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `provider::{provider}::{near}`?"),
                None if offered.functions.is_empty() => format!("the provider `{provider}` offers none"),
                None => {
                    let some: Vec<&str> = offered.functions.keys().take(12).map(String::as_str).collect();
                    format!("it offers {}", some.join(", "))
                }
            };
            errors.push(refused(format!("the provider `{provider}` has no function `{function}`")).hint(hint));
            return unknown();
        };
        let before = errors.len();
        let arguments = self.arguments(call, errors);
        if errors.len() > before {
            return unknown();
        }
        let Some(arguments) = arguments else { return Value::unknown(schema.result.without_optional()) };
        let values: Vec<Value> = arguments.iter().map(|(value, _)| value.clone()).collect();
        functions::call_provided(provider, function, schema, &values, host).unwrap_or_else(|error| {
            let argument = |index: usize| arguments.get(index).or(arguments.last()).map_or(span, |(_, span)| *span);
            let place = error.argument.map_or(span, argument);
            errors.push(EvalError::new(codes::FUNCTION, format!("{}(): {}", call.name, error.message), place));
            unknown()
        })
    }

    /// The arguments with their places; `None` when it is not known how many they are.
    fn arguments(&self, call: &Call, errors: &mut Errors) -> Option<Vec<(Value, Span)>> {
        let mut arguments: Vec<(Value, Span)> =
            call.arguments.iter().map(|argument| (self.value(argument, errors), argument.span())).collect();
        if !call.expand {
            return Some(arguments);
        }
        let (last, span) = arguments.pop()?;
        let wrong = |message: &str| EvalError::new(codes::EXPANSION, message, span);
        let marks = last.marks();
        match last.data() {
            Data::Null(_) => {
                errors.push(wrong("what stands before `...` is null"));
                None
            }
            Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
                arguments.extend(items.iter().map(|item| (item.clone().with_marks(marks), span)));
                Some(arguments)
            }
            Data::Unknown(Type::Dynamic | Type::List(_) | Type::Set(_) | Type::Tuple(_), _) => None,
            _ => {
                errors.push(wrong("what stands before `...` must be a list, a set or a tuple"));
                None
            }
        }
    }

    /// The first of some expressions that has no error.
    fn try_each(&self, arguments: &[Expression], span: Span, errors: &mut Errors) -> Value {
        let mut all = Vec::new();
        for argument in arguments {
            let mut found = Vec::new();
            let value = self.value(argument, &mut found);
            if found.is_empty() {
                // Once all of it is known it could still fail, and another one be taken.
                return if value.is_wholly_known() { value } else { unknown().with_marks(value.marks_deep()) };
            }
            all.extend(found);
        }
        if all.is_empty() {
            errors.push(no_argument("try", span));
        } else {
            let reasons: Vec<&str> = all.iter().map(|error| error.message.as_str()).collect();
            let message = format!("try(): every argument has an error: {}", reasons.join("; "));
            errors.push(EvalError::new(codes::FUNCTION, message, span));
        }
        unknown()
    }

    /// Whether an expression has no error.
    fn can(&self, arguments: &[Expression], span: Span, errors: &mut Errors) -> Value {
        let [argument] = arguments else {
            errors.push(EvalError::new(codes::FUNCTION, "can() takes one argument", span));
            return unknown();
        };
        let mut found = Vec::new();
        let value = self.value(argument, &mut found);
        if !found.is_empty() {
            Value::from(false)
        } else if value.is_wholly_known() {
            Value::from(true)
        } else {
            Value::unknown_refined(Type::Bool, Refinement { not_null: true, ..Refinement::default() })
        }
    }

    fn template_file(&self, arguments: &[Value], span: Span) -> Result<Value, Vec<EvalError>> {
        let wrong = |message: String| vec![EvalError::new(codes::TEMPLATE_FILE, message, span)];
        let [path, variables] = arguments else {
            return Err(wrong("templatefile() takes a path and variables".into()));
        };
        let Some((path, path_marks)) = text(path).map_err(|error| wrong(format!("templatefile(): {error}")))? else {
            return Ok(unknown());
        };
        let host = self.scope.host();
        let shown = if path_marks.is_empty() { path.as_ref() } else { "a sensitive path" };
        let full = host.base_directory().join(Path::new(path.as_ref()));
        let content =
            host.read_file(&full).map_err(|error| wrong(format!("templatefile(): cannot read `{shown}`: {error}")))?;
        let content =
            String::from_utf8(content).map_err(|_| wrong(format!("templatefile(): `{shown}` is not UTF-8")))?;
        let value = self.render("templatefile", shown, &content, variables, span)?;
        Ok(value.with_marks(path_marks))
    }

    fn template_string(&self, arguments: &[Value], span: Span) -> Result<Value, Vec<EvalError>> {
        let wrong = |message: String| vec![EvalError::new(codes::TEMPLATE_FILE, message, span)];
        let [template, variables] = arguments else {
            return Err(wrong("templatestring() takes a template and variables".into()));
        };
        let Some((template, marks)) = text(template).map_err(|error| wrong(format!("templatestring(): {error}")))?
        else {
            return Ok(unknown());
        };
        Ok(self.render("templatestring", "the template", &template, variables, span)?.with_marks(marks))
    }

    /// Renders a template with variables of its own.
    fn render(
        &self,
        function: &str,
        shown: &str,
        content: &str,
        variables: &Value,
        span: Span,
    ) -> Result<Value, Vec<EvalError>> {
        let wrong = |message: String| EvalError::new(codes::TEMPLATE_FILE, format!("{function}(): {message}"), span);
        if self.in_template {
            return Err(vec![wrong("a template cannot use another".into())]);
        }
        let marks: Marks = variables.marks();
        let variables: BTreeMap<Arc<str>, Value> = match variables.data() {
            Data::Map(_, entries) | Data::Object(entries) => entries.as_ref().clone(),
            Data::Unknown(Type::Dynamic | Type::Map(_) | Type::Object(_), _) => return Ok(unknown().with_marks(marks)),
            _ => return Err(vec![wrong("the variables must be an object or a map".into())]),
        };
        if let Some(name) = variables.keys().find(|name| !is_identifier(name)) {
            let message = format!("`{name}` cannot be the name of a variable: letters, digits and `_` can");
            return Err(vec![wrong(message)]);
        }
        // Places in the template are lines of another file: they go into the message.
        let place = |error: &EvalError| {
            let offset = usize::try_from(error.span.start).unwrap_or(0);
            let before = content.get(..offset).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
            let message = format!("{shown}:{line}:{column}: {}", error.message);
            wrong(message).maybe_hint(error.hint.clone())
        };
        let map = SpanMap::plain(span.file, 0);
        let tree = template(content, &map, Free::Variables).map_err(|error| vec![place(&error)])?;
        let frame = Frame { parent: None, names: Names::Variables(&variables) };
        let inside = Evaluator { scope: self.scope, frame: Some(&frame), in_template: true };
        let mut found = Vec::new();
        let value = inside.value(&tree, &mut found);
        if found.is_empty() { Ok(value.with_marks(marks)) } else { Err(found.iter().map(place).collect()) }
    }
}

fn no_argument(function: &str, span: Span) -> EvalError {
    EvalError::new(codes::FUNCTION, format!("{function}() takes at least one argument"), span)
}

/// The text of an argument with its marks; `None` when it is not known.
fn text(value: &Value) -> Result<Option<(Arc<str>, Marks)>, String> {
    let marks = value.marks();
    match convert(value, &Type::String).map_err(|error| error.to_string())?.into_data() {
        Data::String(text) => Ok(Some((text, marks))),
        Data::Null(_) => Err("the first argument is null".into()),
        _ => Ok(None),
    }
}
