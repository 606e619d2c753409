//! Whether what is referred to exists.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use retrue_provider_api::{PathStep, Value};

use super::codes;
use super::stack::{Fallback, Import, Repetition, ResourceBlock, Stack, Trigger};
use crate::address::{BlockAddress, InstanceKey, Mode};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Reference, Root, TargetKey, nearest};
use crate::span::Span;

/// After so many complaints no nearest names are looked for: each costs a look at all names.
const ADVICE_LIMIT: usize = 50;

/// Words that stand where `var` and its like are meant.
const ROOTS: &[&str] = &["var", "local", "data", "ephemeral", "each", "count", "self", "path", "env"];

/// What an expression may refer to, besides what is declared.
#[derive(Clone, Copy, Default)]
struct Place<'s> {
    /// How what is around it is repeated, where its instances are told apart.
    instance_of: Option<&'s Repetition>,
    /// Whether it decides about a block as a whole.
    whole: bool,
    /// Whether `self` is known.
    itself: bool,
    /// Whether outputs are known, as `output.NAME`.
    outputs: bool,
    /// Whether it may refer to nothing but variables, or to nothing at all; the word says what it is.
    only: Option<Only>,
}

#[derive(Clone, Copy)]
enum Only {
    Constants(&'static str),
    Variables(&'static str),
}

/// Checks every reference of a stack.
pub(super) fn check(stack: &Stack, diagnostics: &mut Vec<Diagnostic>) {
    let mut checker = Checker { stack, diagnostics, types: None, keys: HashMap::new() };
    for variable in stack.variables.values() {
        let constants = Place { only: Some(Only::Constants("the default of a variable")), ..Place::default() };
        variable.default.iter().for_each(|default| checker.expression(default, constants));
        let variables = Place { only: Some(Only::Variables("a validation")), ..Place::default() };
        for validation in &variable.validations {
            checker.expression(&validation.condition, variables);
            checker.expression(&validation.message, variables);
        }
    }
    let anywhere = Place::default();
    stack.locals.values().for_each(|local| checker.expression(&local.value, anywhere));
    let of_providers = stack.providers.values().flat_map(|provider| provider.expressions());
    of_providers.for_each(|one| checker.expression(one, anywhere));
    stack.outputs.values().for_each(|output| checker.expression(&output.value, anywhere));
    for block in stack.blocks.values() {
        checker.block(block);
    }
    for import in &stack.imports {
        checker.import(import);
    }
    let outside = Place { outputs: true, ..anywhere };
    let values = stack.checks.values().flat_map(|check| &check.values);
    values.for_each(|(_, value)| checker.expression(value, outside));
}

/// The names of blocks by mode and type.
type NamesByType = BTreeMap<(Mode, Arc<str>), Vec<Arc<str>>>;

struct Checker<'c> {
    stack: &'c Stack,
    diagnostics: &'c mut Vec<Diagnostic>,
    /// The names of blocks by type, made when the first one is missing.
    types: Option<NamesByType>,
    /// The keys of blocks whose `for_each` is written out, made when the first instance is named.
    keys: HashMap<&'c BlockAddress, Option<HashSet<&'c str>>>,
}

impl<'c> Checker<'c> {
    fn block(&mut self, block: &'c ResourceBlock) {
        let around = Place::default();
        let inside = Place { instance_of: Some(&block.repetition), ..around };
        let after = Place { itself: true, ..inside };
        block.repetition.expression().into_iter().for_each(|expression| self.expression(expression, around));
        self.expression(&block.body, inside);
        let fallbacks = block.fallback.iter().filter_map(Fallback::expression);
        fallbacks.for_each(|fallback| self.expression(fallback, inside));
        let lifecycle = &block.lifecycle;
        let whole = Place { whole: true, ..around };
        lifecycle.enabled.iter().for_each(|enabled| self.expression(enabled, whole));
        for condition in &lifecycle.preconditions {
            self.expression(&condition.condition, inside);
            self.expression(&condition.message, inside);
        }
        for condition in &lifecycle.postconditions {
            self.expression(&condition.condition, after);
            self.expression(&condition.message, after);
        }
        for Trigger { reference, key } in &lifecycle.replace_triggered_by {
            self.reference(reference, inside);
            for chosen in key.iter().flat_map(Expression::references) {
                // The parser counts from the start of the text, not of the file.
                self.reference(&Reference { span: reference.span, ..chosen }, inside);
            }
            if let Root::Ephemeral { .. } = &reference.root {
                let message = format!("`{}` is another with every run: it triggers nothing", reference.root);
                let hint = "name a resource, or an attribute of one";
                self.diagnostics
                    .push(Diagnostic::error(codes::REFERENCE_NOT_ALLOWED, message).at(reference.span).hint(hint));
            }
        }
        for (target, span) in &block.depends_on {
            let key = match target {
                super::DependsOn::Block(_) => None,
                super::DependsOn::Instance(address) => address.key.as_ref(),
            };
            if let Some(other) = self.declared(target.block(), *span)
                && let Some(key) = key
            {
                self.instance(other, key, *span);
            }
        }
        if let Some((name, span)) = &block.provider {
            self.provider(name, *span, block);
        }
    }

    fn import(&mut self, import: &Import) {
        import.repetition.expression().into_iter().for_each(|each| self.expression(each, Place::default()));
        let inside = Place { instance_of: Some(&import.repetition), ..Place::default() };
        self.expression(&import.id, inside);
        match &import.key {
            TargetKey::Expression(key) => {
                for reference in key.references() {
                    // The parser counts from the start of the text, not of the file.
                    self.reference(&Reference { span: import.to_span, ..reference }, inside);
                }
            }
            TargetKey::Written(key) => {
                if let Some(block) = self.stack.blocks.get(&import.to)
                    && !matches!(block.repetition, Repetition::One)
                {
                    self.instance(block, key, import.to_span);
                }
            }
            TargetKey::None => {}
        }
    }

    fn provider(&mut self, name: &str, span: Span, block: &ResourceBlock) {
        if !self.stack.picks_nobody(block) {
            return;
        }
        let known = self.stack.providers.keys().map(AsRef::as_ref);
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_PROVIDER, format!("there is no `[provider.{name}]`")).at(span);
        self.diagnostics.push(match nearest(name, known) {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic.hint(format!("write a table `[provider.{name}]` that says its `type`")),
        });
    }

    fn expression(&mut self, expression: &Expression, place: Place<'_>) {
        for reference in expression.references() {
            self.reference(&reference, place);
        }
    }

    fn reference(&mut self, reference: &Reference, place: Place<'_>) {
        let span = reference.span;
        if let Some(only) = place.only {
            let refused = match (only, &reference.root) {
                (Only::Variables(_), Root::Var(_)) => None,
                (Only::Variables(what), _) => {
                    Some(format!("{what} refers to variables only, not to `{}`", reference.root))
                }
                (Only::Constants(what), _) => Some(format!("{what} is a constant, and refers to nothing")),
            };
            if let Some(message) = refused {
                let hint = "what refers to other things belongs into `[local]`; a literal `${` is written `$${`";
                self.diagnostics.push(Diagnostic::error(codes::REFERENCE_NOT_ALLOWED, message).at(span).hint(hint));
                return;
            }
        }
        match &reference.root {
            Root::Var(name) => {
                if !self.stack.variables.contains_key(name) {
                    let known = self.stack.variables.keys().map(AsRef::as_ref);
                    let near = self.advice(name, known, "var.");
                    self.missing(codes::UNKNOWN_VARIABLE, format!("there is no variable `{name}`"), span, near);
                }
            }
            Root::Local(name) => {
                if !self.stack.locals.contains_key(name) {
                    let known = self.stack.locals.keys().map(AsRef::as_ref);
                    let near = self.advice(name, known, "local.");
                    self.missing(codes::UNKNOWN_LOCAL, format!("there is no local value `{name}`"), span, near);
                }
            }
            Root::Resource { type_name, name } if place.outputs && type_name.as_ref() == BlockAddress::OUTPUT => {
                if !self.stack.outputs.contains_key(name) {
                    let known = self.stack.outputs.keys().map(AsRef::as_ref);
                    let near = self.advice(name, known, "output.");
                    self.missing(codes::UNKNOWN_LOCAL, format!("there is no output `{name}`"), span, near);
                }
            }
            Root::Resource { .. } | Root::Data { .. } | Root::Ephemeral { .. } => self.block_reference(reference),
            Root::Each(_) => {
                if !matches!(place.instance_of, Some(Repetition::ForEach(_))) {
                    self.out_of_place("each", "a block with `for_each`", place, span);
                }
            }
            Root::CountIndex => {
                if !matches!(place.instance_of, Some(Repetition::Count(_))) {
                    self.out_of_place("count.index", "a block with `count`", place, span);
                }
            }
            Root::SelfRef => {
                if !place.itself {
                    self.out_of_place("self", "a postcondition", place, span);
                }
            }
            Root::PathStack | Root::Env(_) => {}
        }
    }

    fn block_reference(&mut self, reference: &Reference) {
        let Some(address) = reference.root.block() else { return };
        let Some(block) = self.declared(&address, reference.span) else { return };
        if let Some(key) = &reference.key {
            self.instance(block, key, reference.span);
            return;
        }
        let one = matches!(block.repetition, Repetition::One);
        if one && reference.dynamic_key {
            self.no_instances(block, reference.span);
        } else if !one
            && !reference.dynamic_key
            && let Some(PathStep::Attribute(name)) = reference.path.0.first()
        {
            let example = match block.repetition {
                Repetition::Count(_) => format!("{address}[0].{name}"),
                _ => format!("{address}[\"KEY\"].{name}"),
            };
            self.diagnostics.push(
                Diagnostic::error(codes::INSTANCE_KEY, format!("`{address}` has several instances"))
                    .at(reference.span)
                    .label(block.span, "declared here")
                    .hint(format!("name one, as in `{example}`, or take all with a `for` expression")),
            );
        }
    }

    /// The block of an address; reports when there is none.
    fn declared(&mut self, address: &BlockAddress, span: Span) -> Option<&'c ResourceBlock> {
        if let Some(block) = self.stack.blocks.get(address) {
            return Some(block);
        }
        let near = self.near_block(address);
        let what = address.mode.noun();
        self.missing(codes::UNKNOWN_RESOURCE, format!("there is no {what} `{address}`"), span, near);
        None
    }

    fn near_block(&mut self, address: &BlockAddress) -> Option<String> {
        if self.diagnostics.len() > ADVICE_LIMIT {
            return None;
        }
        if address.mode == Mode::Managed && !ROOTS.contains(&address.type_name.as_ref()) {
            let meant = nearest(&address.type_name, ROOTS.iter().copied());
            if let Some(root) = meant.filter(|_| !address.type_name.contains('_')) {
                return Some(format!("{root}.{}", address.name));
            }
        }
        let blocks = &self.stack.blocks;
        let types = self.types.get_or_insert_with(|| {
            let mut types: BTreeMap<_, Vec<Arc<str>>> = BTreeMap::new();
            for address in blocks.keys() {
                let key = (address.mode, Arc::clone(&address.type_name));
                types.entry(key).or_default().push(Arc::clone(&address.name));
            }
            types
        });
        let of_mode = |mode: Mode| {
            let names = types.get(&(mode, Arc::clone(&address.type_name)))?;
            let near = nearest(&address.name, names.iter().map(AsRef::as_ref))?;
            Some(BlockAddress::new(mode, Arc::clone(&address.type_name), near).to_string())
        };
        let other = if address.mode == Mode::Managed { Mode::Data } else { Mode::Managed };
        of_mode(address.mode).or_else(|| of_mode(other)).or_else(|| {
            // The name may be right and the type wrong.
            let with_name =
                types.iter().filter(|((mode, _), names)| *mode == address.mode && names.contains(&address.name));
            let near = nearest(&address.type_name, with_name.map(|((_, type_name), _)| type_name.as_ref()))?;
            Some(BlockAddress::new(address.mode, near, Arc::clone(&address.name)).to_string())
        })
    }

    fn advice<'n>(&self, name: &str, known: impl Iterator<Item = &'n str>, prefix: &str) -> Option<String> {
        if self.diagnostics.len() > ADVICE_LIMIT {
            return None;
        }
        nearest(name, known).map(|near| format!("{prefix}{near}"))
    }

    fn missing(&mut self, code: &'static str, message: String, span: Span, near: Option<String>) {
        let diagnostic = Diagnostic::error(code, message).at(span);
        self.diagnostics.push(match near {
            Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
            None => diagnostic.hint("declare it in one of the files of the stack, or refer to something that is"),
        });
    }

    fn out_of_place(&mut self, what: &str, inside: &str, place: Place<'_>, span: Span) {
        let message = match place.whole {
            true => format!("`{what}` means nothing in `enabled`"),
            false => format!("`{what}` means something only inside {inside}"),
        };
        let hint = match place.whole {
            true => "`enabled` is about the block with all its instances; leave some out of `for_each` instead",
            false if what == "self" => "before something is made, only its configuration is known: refer to that",
            false => "give the block the key, or use a variable or a local",
        };
        self.diagnostics.push(Diagnostic::error(codes::OUT_OF_PLACE, message).at(span).hint(hint));
    }

    /// Whether an instance that is written out can exist.
    fn instance(&mut self, block: &'c ResourceBlock, key: &InstanceKey, span: Span) {
        let wrong = |message: String| {
            Diagnostic::error(codes::INSTANCE_KEY, message).at(span).label(block.span, "declared here")
        };
        let address = &block.address;
        let diagnostic = match (&block.repetition, key) {
            (Repetition::One, _) => return self.no_instances(block, span),
            (Repetition::Count(_), InstanceKey::Name(_)) => {
                wrong(format!("the instances of `{address}` have numbers, not names"))
                    .hint(format!("as in `{address}[0]`"))
            }
            (Repetition::ForEach(_), InstanceKey::Index(_)) => {
                wrong(format!("the instances of `{address}` have names, not numbers"))
                    .hint(format!("as in `{address}[\"KEY\"]`"))
            }
            (Repetition::Count(count), InstanceKey::Index(index)) => {
                match count.as_literal().and_then(Value::as_number).and_then(|count| count.as_u64()) {
                    Some(count) if *index >= count => {
                        wrong(format!("`{address}` has {count} instances, and no `{key}`"))
                            .hint("they are numbered from 0; a larger `count` makes more")
                    }
                    _ => return,
                }
            }
            (Repetition::ForEach(expression), InstanceKey::Name(name)) => match self
                .keys
                .entry(address)
                .or_insert_with(|| static_keys(expression).map(|keys| keys.into_iter().collect()))
            {
                Some(keys) if !keys.contains(name.as_ref()) => {
                    let diagnostic = wrong(format!("`{address}` has no instance `{key}`"));
                    match nearest(name, keys.iter().copied()) {
                        Some(near) => diagnostic.hint(format!("did you mean `{address}[\"{near}\"]`?")),
                        None => diagnostic.hint("add the key to its `for_each`"),
                    }
                }
                _ => return,
            },
        };
        self.diagnostics.push(diagnostic);
    }

    fn no_instances(&mut self, block: &ResourceBlock, span: Span) {
        self.diagnostics.push(
            Diagnostic::error(codes::INSTANCE_KEY, format!("`{}` is one thing, without instances", block.address))
                .at(span)
                .label(block.span, "it has neither `count` nor `for_each`")
                .hint(format!("write `{}` alone", block.address)),
        );
    }
}

/// The keys of a `for_each` that is written out.
pub(super) fn static_keys(expression: &Expression) -> Option<Vec<&str>> {
    let key = |expression| Expression::as_literal(expression).and_then(Value::as_str);
    if let Some(items) = expression.as_list() {
        return items.iter().map(key).collect();
    }
    expression.as_table()?.iter().map(|(name, _)| key(name)).collect()
}
