//! What `validate` promises beyond [`load`](super::load): everything that can be known with the types of
//! the providers, and without the world and the environment.
//!
//! Expressions are evaluated over constants and the defaults of variables. Resources stand for unknown
//! values of their types, so that a reference to an attribute that a type lacks shows.

mod scope;
mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::Arc;

use retrue_provider_api::{Block, Path, PathStep, Type, Value, convert};

use super::body::evaluate_body;
use super::codes;
use super::conditions::{check_conditions, decided, truth};
use super::ephemeral::{kept, refuse_ephemeral};
use super::repetition::{Instance, Instances, instances};
use super::scopes::{StackFiles, VariableScope};
use super::stack::{
    Check, Condition, Fallback, IgnoreChanges, ProviderBlock, Repetition, ResourceBlock, Stack, Trigger,
};
use super::variables::default_value;
use crate::address::{BlockAddress, Mode};
use crate::diagnostic::{Diagnostic, sort};
use crate::expression::{Expression, evaluate, nearest, with_deep_stack};
use crate::graph::{Graph, Node};
use crate::health::kinds;
use crate::span::Span;
use scope::{CheckScope, Inside};
pub use types::{Schemas, types};

/// So many instances of a block are evaluated; the rest are like them.
const INSTANCES: usize = 20;

/// Checks a stack against the schemas of its providers; see the module. An empty result means that it is
/// valid; warnings may be among the diagnostics. They are sorted by place.
pub fn check(stack: &Stack, schemas: &Schemas) -> Vec<Diagnostic> {
    check_bodies(stack, schemas).0
}

/// The same, with every body as it was evaluated, for providers to look at: they know more about what
/// fits together than a schema can say.
pub fn check_bodies<'s>(stack: &'s Stack, schemas: &'s Schemas) -> (Vec<Diagnostic>, Vec<CheckedBody<'s>>) {
    let checked = with_deep_stack(|| {
        let files = StackFiles::new(&stack.directory);
        let scope = CheckScope::new(stack, schemas, &files);
        let mut checker = Checker { stack, schemas, scope, found: Vec::new(), bodies: Vec::new() };
        checker.all(&files);
        (checker.found, checker.bodies)
    });
    let (mut found, bodies) = checked.unwrap_or_else(|error| (vec![error.into()], Vec::new()));
    sort(&mut found);
    (found, bodies)
}

/// A body, evaluated over constants and defaults; the rest of it is unknown.
pub struct CheckedBody<'s> {
    /// The block; `None` for the configuration of a provider.
    pub block: Option<&'s ResourceBlock>,
    /// The type of the provider.
    pub provider: Arc<str>,
    /// Its value, in the form of the schema.
    pub value: Value,
    /// As it is written.
    pub body: &'s Expression,
    /// The place of the block.
    pub span: Span,
}

/// The scope refers to the files of the check, which end with it; the bodies refer to the stack.
struct Checker<'s, 'c> {
    stack: &'s Stack,
    schemas: &'s Schemas,
    scope: CheckScope<'c>,
    found: Vec<Diagnostic>,
    bodies: Vec<CheckedBody<'s>>,
}

impl<'s> Checker<'s, '_> {
    fn all(&mut self, files: &StackFiles) {
        self.variables(files);
        self.locals();
        for provider in self.stack.providers.values() {
            match self.schemas.provider(&provider.type_name) {
                Some(schema) => {
                    if let Some(value) = self.body(&provider.body, &schema.provider.block, &Inside::default()) {
                        let (provider_type, body) = (Arc::clone(&provider.type_name), &provider.body);
                        let span = provider.span;
                        self.bodies.push(CheckedBody { block: None, provider: provider_type, value, body, span });
                        // What is wrong from here on is wrong in the entries alone.
                        self.ways(provider, &schema.provider.block);
                    }
                }
                None => self.found.push(self.schemas.no_provider(&provider.type_name, provider.span)),
            }
        }
        for block in self.stack.blocks.values() {
            self.block(block);
        }
        for output in self.stack.outputs.values() {
            let value = self.expression(&output.value, &Inside::default());
            if value.is_some_and(|value| value.marks_deep().ephemeral) {
                self.found.push(kept(&format!("the output `{}`", output.name), output.value.span()));
            }
        }
        for check in self.stack.checks.values() {
            self.health_check(check);
        }
        for import in &self.stack.imports {
            for instance in self.instances(&import.repetition) {
                self.expression(&import.id, &Inside { instance, itself: None });
            }
        }
    }

    fn ways(&mut self, provider: &'s ProviderBlock, schema: &Block) {
        for (way, body) in provider.ways().zip(&provider.fallback) {
            if let Some(value) = self.body(&way, schema, &Inside::default()) {
                let (provider, span) = (Arc::clone(&provider.type_name), body.span());
                self.bodies.push(CheckedBody { block: None, provider, value, body, span });
            }
        }
    }

    fn health_check(&mut self, check: &Check) {
        let probe = &check.definition.probe;
        for (name, expression) in &check.values {
            let kind = kinds(probe).iter().find(|(known, ..)| *known == name.as_ref()).map(|(_, kind, _)| kind());
            // What is written out was looked at when the stack was loaded.
            let (Some(kind), None) = (kind, expression.as_literal()) else { continue };
            let Some(value) = self.expression(expression, &Inside::default()) else { continue };
            if value.marks_deep().ephemeral {
                self.found.push(kept(&format!("a value of the check `{}`", check.name), expression.span()));
            } else if convert(&value, &kind).is_err() {
                let found = value.kind().friendly_name();
                let problem = format!("`{name}` takes {}, and this is {found}", kind.friendly_name());
                let hint = "docs/guides/health-checks.md tells what a check takes";
                let diagnostic = Diagnostic::error(codes::TYPE_MISMATCH, problem).at(expression.span());
                self.found.push(diagnostic.hint(hint));
            }
        }
    }

    fn variables(&mut self, files: &StackFiles) {
        let mut values = BTreeMap::new();
        for variable in self.stack.variables.values() {
            let value = default_value(variable, files).unwrap_or_else(|wrong| {
                self.found.extend(wrong);
                None
            });
            let value = value.unwrap_or_else(|| Value::unknown(variable.kind().without_optional()));
            values.insert(variable.name.clone(), variable.marked(value));
        }
        for variable in self.stack.variables.values() {
            let scope = VariableScope { values: &values, host: files };
            let wrong = check_conditions(&variable.validations, &scope, codes::VALIDATION);
            self.found.extend(wrong.into_iter().map(|wrong| match variable.default.as_ref() {
                Some(default) if wrong.code == codes::VALIDATION => {
                    wrong.label(default.span(), "the default does not fulfil it")
                }
                _ => wrong,
            }));
        }
        self.scope.variables = values;
    }

    /// Evaluates locals, each after what it refers to; those in circles stay unknown.
    fn locals(&mut self) {
        match Graph::new(self.stack) {
            Ok(graph) => {
                for node in graph.order() {
                    if let Node::Local(name) = node
                        && let Some(local) = self.stack.locals.get(name)
                        && let Some(value) = self.expression(&local.value, &Inside::default())
                    {
                        self.scope.locals.insert(name.clone(), value);
                    }
                }
            }
            Err(circles) => self.found.extend(circles),
        }
    }

    fn expression(&mut self, expression: &Expression, inside: &Inside) -> Option<Value> {
        match evaluate(expression, &self.scope.within(inside)) {
            Ok(value) => Some(value),
            Err(errors) => {
                self.found.extend(errors.into_iter().map(Diagnostic::from));
                None
            }
        }
    }

    fn body(&mut self, body: &Expression, schema: &Block, inside: &Inside) -> Option<Value> {
        let value = evaluate_body(body, schema, &self.scope.within(inside));
        let value = value.map_err(|wrong| self.found.extend(wrong)).ok();
        for (key, _) in body.as_table().unwrap_or_default() {
            let Some(name) = key.as_literal().and_then(Value::as_str) else { continue };
            let attribute = schema.attributes.get(name).and_then(|attribute| attribute.deprecated.as_ref());
            let nested = schema.blocks.get(name).and_then(|nested| nested.block.deprecated.as_ref());
            if let Some(reason) = attribute.or(nested) {
                let message = format!("`{name}` is deprecated: {reason}");
                self.found.push(Diagnostic::warning(codes::DEPRECATED, message).at(key.span()));
            }
        }
        value
    }

    fn block(&mut self, block: &'s ResourceBlock) {
        let schema = match self.schemas.of_block(self.stack, block) {
            Ok(schema) => Some(schema),
            Err(diagnostic) => {
                // That the provider is not declared was said when the stack was loaded.
                if !self.stack.picks_nobody(block) {
                    self.found.push(*diagnostic);
                }
                None
            }
        };
        let mut is_empty = self.has_no_instances(&block.repetition);
        if let Some(enabled) = &block.lifecycle.enabled {
            match decided(enabled, &self.scope.within(&Inside::default())) {
                Ok(decided) => is_empty = is_empty || decided == Some(false),
                Err(wrong) => self.found.extend(wrong),
            }
        }
        // What it rests on may be just what is missing where there are no instances.
        let known = is_empty.then(|| (take(&mut self.scope.variables), take(&mut self.scope.locals)));
        let itself = schema.map(|schema| schema.block.value_type());
        for instance in self.instances(&block.repetition) {
            let inside = Inside { instance, itself: None };
            match schema {
                Some(schema) => {
                    if let Some(value) = self.body(&block.body, &schema.block, &inside) {
                        if block.address.mode != Mode::Ephemeral {
                            self.found.extend(refuse_ephemeral(&value, &schema.block, &block.body));
                        }
                        let (provider, body, span) = (self.stack.provider_type(block), &block.body, block.span);
                        self.bodies.push(CheckedBody { block: Some(block), provider, value, body, span });
                    }
                }
                // Without a schema its expressions can still be wrong.
                None => {
                    self.expression(&block.body, &inside);
                }
            }
            for fallback in block.fallback.iter().filter_map(Fallback::expression) {
                self.expression(fallback, &inside);
            }
            self.conditions(&block.lifecycle.preconditions, &inside);
            let after = Inside { itself: Some(itself.clone().unwrap_or(Type::Dynamic)), ..inside };
            self.conditions(&block.lifecycle.postconditions, &after);
        }
        if let Some((variables, locals)) = known {
            (self.scope.variables, self.scope.locals) = (variables, locals);
        }
        lifecycle_paths(self.stack, self.schemas, block, &mut self.found);
    }

    fn has_no_instances(&self, repetition: &Repetition) -> bool {
        let outside = Inside::default();
        matches!(instances(repetition, &self.scope.within(&outside)), Ok(Instances::Known(found)) if found.is_empty())
    }

    /// The instances that stand for all in the checks; one that is unknown where they are not known.
    fn instances(&mut self, repetition: &Repetition) -> Vec<Instance> {
        let outside = Inside::default();
        let scope = self.scope.within(&outside);
        match instances(repetition, &scope) {
            Ok(Instances::Known(mut found)) if !found.is_empty() => {
                found.truncate(INSTANCES);
                found
            }
            Ok(_) => vec![Instance::unknown(repetition)],
            Err(wrong) => {
                self.found.extend(wrong);
                vec![Instance::unknown(repetition)]
            }
        }
    }

    /// Whether conditions can be evaluated. Whether they hold is known when there is something to hold for.
    fn conditions(&mut self, conditions: &[Condition], inside: &Inside) {
        for condition in conditions {
            if let Err(wrong) = truth(&condition.condition, &self.scope.within(inside)) {
                self.found.extend(wrong);
            }
            self.expression(&condition.message, inside);
        }
    }
}

/// What a plan does not come to by itself: the paths in a `lifecycle`, and blocks of which there are no instances.
pub fn check_unseen(stack: &Stack, schemas: &Schemas, unseen: &[&ResourceBlock]) -> Vec<Diagnostic> {
    let found = with_deep_stack(|| {
        let mut found = Vec::new();
        if !unseen.is_empty() {
            let files = StackFiles::new(&stack.directory);
            let scope = CheckScope::new(stack, schemas, &files);
            let mut checker = Checker { stack, schemas, scope, found: Vec::new(), bodies: Vec::new() };
            unseen.iter().for_each(|block| checker.block(block));
            found = checker.found;
            found.retain(Diagnostic::is_error);
        }
        let seen: BTreeSet<&BlockAddress> = unseen.iter().map(|block| &block.address).collect();
        for block in stack.blocks.values().filter(|block| !seen.contains(&block.address)) {
            lifecycle_paths(stack, schemas, block, &mut found);
        }
        found
    });
    found.unwrap_or_else(|error| vec![error.into()])
}

/// Whether the paths in a `lifecycle` lead to something.
fn lifecycle_paths(stack: &Stack, schemas: &Schemas, block: &ResourceBlock, found: &mut Vec<Diagnostic>) {
    if let IgnoreChanges::Paths(paths) = &block.lifecycle.ignore_changes
        && let Ok(schema) = schemas.of_block(stack, block)
    {
        for (path, span) in paths {
            found.extend(leads_nowhere(path, &schema.block, *span));
        }
    }
    for Trigger { reference, .. } in &block.lifecycle.replace_triggered_by {
        if let Some(target) = reference.root.block().and_then(|address| stack.blocks.get(&address))
            && let Ok(schema) = schemas.of_block(stack, target)
        {
            found.extend(leads_nowhere(&reference.path, &schema.block, reference.span));
        }
    }
}

/// What is wrong with a path that is to lead to something in a type.
fn leads_nowhere(path: &Path, block: &Block, span: Span) -> Option<Diagnostic> {
    let mut kind = block.value_type();
    for step in &path.0 {
        let next = match (&kind, step) {
            (Type::Object(object), PathStep::Attribute(name) | PathStep::Key(name)) => {
                match object.attributes.get(name) {
                    Some(kind) => kind.clone(),
                    None => {
                        let message = format!("there is no attribute `{name}` there");
                        let diagnostic = Diagnostic::error(codes::UNKNOWN_ATTRIBUTE, message).at(span);
                        let near = nearest(name, object.attributes.keys().map(AsRef::as_ref));
                        return Some(match near {
                            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
                            None => diagnostic,
                        });
                    }
                }
            }
            (Type::Map(element) | Type::List(element), _) => element.as_ref().clone(),
            (Type::Bool | Type::Number | Type::String, _) => {
                let message = format!("`{path}` leads into what has no parts: it is a {kind}");
                return Some(Diagnostic::error(codes::UNKNOWN_ATTRIBUTE, message).at(span));
            }
            // A set has no steps, tuples and dynamic values are not known here.
            _ => return None,
        };
        kind = next;
    }
    None
}

#[cfg(test)]
pub(super) mod tests;
