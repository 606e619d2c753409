//! Types as users write them: `map(object({ a = number, b = optional(string, "x") }))`.

use std::collections::BTreeMap;
use std::sync::Arc;

use retrue_provider_api::{ConversionError, ObjectType, Type, Value, convert};

use super::defaults::Defaults;
use super::error::{EvalError, codes, nearest};
use super::functions::Host;
use super::lower::Free;
use super::parse::expression;
use super::reference::Root;
use super::scope::Scope;
use super::span_map::SpanMap;
use super::tree::{Call, Expression, Kind};
use crate::address::InstanceKey;
use crate::span::Span;

/// The words that types are made of.
const WORDS: [&str; 9] = ["any", "bool", "number", "string", "list", "set", "map", "object", "tuple"];

/// A type with the defaults of its optional attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeExpression {
    kind: Type,
    defaults: Option<Defaults>,
}

impl TypeExpression {
    /// Parses the content of a TOML string; `raw` and `span` as for [`Expression::from_template`].
    pub fn parse(text: &str, span: Span, raw: &str) -> Result<Self, Vec<EvalError>> {
        let map = SpanMap::of_toml(text, span, raw);
        let tree = expression(text, &map, Free::Variables).map_err(|error| {
            let code = if error.code == codes::SYNTAX { codes::TYPE_EXPRESSION } else { error.code };
            vec![EvalError { code, message: error.message.replace("not an expression", "not a type"), ..error }]
        })?;
        let mut errors = Vec::new();
        let found = read(&tree, &mut errors);
        if errors.is_empty() { Ok(found) } else { Err(errors) }
    }

    /// A type without defaults.
    pub fn from_type(kind: Type) -> Self {
        TypeExpression { kind, defaults: None }
    }

    /// The type, with its optional attributes.
    pub fn kind(&self) -> &Type {
        &self.kind
    }

    /// Fills in defaults, then converts to the type. A null value stays null.
    pub fn convert(&self, value: &Value) -> Result<Value, ConversionError> {
        match &self.defaults {
            Some(defaults) => convert(&defaults.apply(value), &self.kind),
            None => convert(value, &self.kind),
        }
    }
}

/// What stands for a type that has an error.
fn anything() -> TypeExpression {
    TypeExpression::from_type(Type::Dynamic)
}

fn read(expression: &Expression, errors: &mut Vec<EvalError>) -> TypeExpression {
    let span = expression.span();
    match expression.kind() {
        Kind::Bound(name) => word(name, span, errors),
        Kind::Call(call) => constructor(call, span, errors),
        _ => {
            errors.push(wrong("this is not a type", span).hint("types are such as `string` and `list(number)`"));
            anything()
        }
    }
}

fn wrong(message: impl Into<String>, span: Span) -> EvalError {
    EvalError::new(codes::TYPE_EXPRESSION, message, span)
}

fn word(name: &str, span: Span, errors: &mut Vec<EvalError>) -> TypeExpression {
    TypeExpression::from_type(match name {
        "any" => Type::Dynamic,
        "bool" => Type::Bool,
        "number" => Type::Number,
        "string" => Type::String,
        "list" | "set" | "map" => {
            let hint = format!("`{name}(string)`; `{name}(any)` where all elements have one type of any kind");
            errors.push(wrong(format!("`{name}` needs the type of its elements"), span).hint(hint));
            Type::Dynamic
        }
        "object" => {
            errors.push(wrong("`object` needs its attributes", span).hint("`object({ name = string })`"));
            Type::Dynamic
        }
        "tuple" => {
            errors.push(wrong("`tuple` needs its elements", span).hint("`tuple([string, number])`"));
            Type::Dynamic
        }
        _ => {
            errors.push(unknown_word(name, span));
            Type::Dynamic
        }
    })
}

fn unknown_word(name: &str, span: Span) -> EvalError {
    wrong(format!("there is no type `{name}`"), span).maybe_hint(match name {
        "int" | "integer" | "float" => Some("all numbers are of the type `number`".into()),
        "boolean" => Some("it is called `bool`".into()),
        _ => nearest(name, WORDS).map(|near| format!("did you mean `{near}`?")),
    })
}

fn constructor(call: &Call, span: Span, errors: &mut Vec<EvalError>) -> TypeExpression {
    let collection: fn(Type) -> Type = match call.name.as_ref() {
        "list" => Type::list,
        "set" => Type::set,
        "map" => Type::map,
        "object" => return object(call, span, errors),
        "tuple" => return tuple(call, span, errors),
        "optional" => {
            errors.push(wrong("`optional` can only stand in the attributes of an object", span));
            return anything();
        }
        "any" | "bool" | "number" | "string" => {
            errors.push(wrong(format!("`{}` takes no arguments", call.name), span));
            return anything();
        }
        name => {
            errors.push(unknown_word(name, call.name_span));
            return anything();
        }
    };
    let [element] = call.arguments.as_slice() else {
        errors.push(wrong(format!("`{}` takes one argument, the type of its elements", call.name), span));
        return anything();
    };
    let element = read(element, errors);
    TypeExpression { kind: collection(element.kind), defaults: element.defaults.map(Defaults::of_elements) }
}

fn tuple(call: &Call, span: Span, errors: &mut Vec<EvalError>) -> TypeExpression {
    let [argument] = call.arguments.as_slice() else {
        errors.push(wrong("`tuple` takes one argument, a list of types", span));
        return anything();
    };
    let Kind::Tuple(items) = argument.kind() else {
        errors.push(wrong("the argument of `tuple` must be a list of types", argument.span()));
        return anything();
    };
    let items: Vec<TypeExpression> = items.iter().map(|item| read(item, errors)).collect();
    let defaults = Defaults::of_tuple(items.iter().map(|item| item.defaults.clone()).collect());
    TypeExpression { kind: Type::tuple(items.into_iter().map(|item| item.kind)), defaults }
}

fn object(call: &Call, span: Span, errors: &mut Vec<EvalError>) -> TypeExpression {
    let [argument] = call.arguments.as_slice() else {
        errors.push(wrong("`object` takes one argument, its attributes", span));
        return anything();
    };
    let Kind::Object(entries) = argument.kind() else {
        errors.push(
            wrong("the argument of `object` must be its attributes", argument.span())
                .hint("`object({ name = string })`"),
        );
        return anything();
    };
    let mut object = ObjectType::default();
    let mut values: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    let mut children: BTreeMap<Arc<str>, Defaults> = BTreeMap::new();
    for (key, expression) in entries {
        let Some(name) = key.as_literal().and_then(Value::as_str).map(Arc::<str>::from) else {
            errors.push(wrong("the name of an attribute must be written out", key.span()));
            continue;
        };
        let mut expression = expression;
        let mut default = None;
        if let Kind::Call(call) = expression.kind()
            && *call.name == *"optional"
        {
            object.optional.insert(Arc::clone(&name));
            match call.arguments.as_slice() {
                [inner] => expression = inner,
                [inner, value] => {
                    expression = inner;
                    default = Some(value);
                }
                _ => {
                    let message = "`optional` takes a type and, if you like, a default";
                    errors.push(wrong(message, expression.span()));
                    continue;
                }
            }
        }
        let attribute = read(expression, errors);
        if let Some(expression) = default {
            match default_value(expression, &attribute.kind) {
                Ok(value) => {
                    values.insert(Arc::clone(&name), value);
                }
                Err(error) => errors.push(error),
            }
        }
        if let Some(defaults) = attribute.defaults {
            children.insert(Arc::clone(&name), defaults);
        }
        object.attributes.insert(name, attribute.kind);
    }
    TypeExpression { kind: Type::Object(Arc::new(object)), defaults: Defaults::of_object(values, children) }
}

fn default_value(expression: &Expression, kind: &Type) -> Result<Value, EvalError> {
    if let Some(name) = expression.functions().first() {
        let message = format!("a default must be constant, so it cannot call `{name}`");
        return Err(wrong(message, expression.span()));
    }
    let value = super::evaluate(expression, &Nowhere).map_err(|errors| {
        let reason = errors.into_iter().next().map(|error| error.message).unwrap_or_default();
        wrong(format!("a default must be constant: {reason}"), expression.span())
    })?;
    convert(&value, kind)
        .map_err(|error| wrong(format!("the default does not fit the type: {error}"), expression.span()))
}

/// Where nothing can be referred to and nothing be read.
struct Nowhere;

impl Scope for Nowhere {
    fn resolve(&self, root: &Root, _key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        Err(EvalError::unknown_name("thing", &root.to_string(), [], span))
    }

    fn host(&self) -> &dyn Host {
        self
    }
}

impl Host for Nowhere {
    fn base_directory(&self) -> &std::path::Path {
        std::path::Path::new("")
    }

    fn read_file(&self, _path: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn planning(&self) -> bool {
        true
    }

    fn plan_timestamp(&self) -> Option<String> {
        None
    }
}
