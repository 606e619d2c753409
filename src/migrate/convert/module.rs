//! Modules, written into the flat stack: inputs, locals and outputs become locals.

use super::resource::word;
use super::value::as_expression;
use super::{Around, Converter, of_kind};
use crate::migrate::convert::named::{literal_text, type_text};
use crate::migrate::document::{Document, Table};
use crate::migrate::modules::{CALL_WORDS, Here, Module, Own};
use crate::migrate::source::{Block, Comments, Entry, Value};
use crate::migrate::written::{Written, in_quotes};

/// What every resource of a module gets because of its call.
#[derive(Debug, Default)]
pub(in crate::migrate) struct FromCall {
    /// What all of them depend on.
    pub(super) depends_on: Vec<String>,
    /// The validations of inputs, which one resource has as its preconditions.
    pub(super) conditions: Vec<(String, Table)>,
}

impl<'c> Converter<'c> {
    /// Converts all modules but the root: the files, with their names.
    pub(in crate::migrate) fn modules(&mut self) -> Vec<(String, Document)> {
        let modules = self.modules;
        let mut depends: Vec<Vec<String>> = vec![Vec::new()];
        let mut documents = Vec::new();
        for module in modules.all.iter().skip(1) {
            let Some(parent) = module.parent.and_then(|index| modules.all.get(index)) else { continue };
            let mut depends_on = module.parent.and_then(|index| depends.get(index)).cloned().unwrap_or_default();
            self.around = Around::of(parent);
            if let Some(value) = module.given("depends_on") {
                depends_on.extend(self.addresses(value));
            }
            depends.push(depends_on.clone());
            let mut document = Document::default();
            self.module(module, parent, depends_on, &mut document);
            documents.push((module.target(), document));
        }
        if let Some(root) = modules.all.first() {
            self.around = Around::of(root);
        }
        documents
    }

    fn module(&mut self, module: &'c Module, parent: &'c Module, depends_on: Vec<String>, document: &mut Document) {
        document.opening.push(format!("{} ({})", module.address(), module.scope.place));
        let mut table = Table::default();
        if let Some(call) = &module.call {
            document.opening.extend(call.comments.before.iter().cloned());
            self.unknown_words(call);
        }
        self.instances(module, parent, &mut table);
        let mut conditions = Vec::new();
        for variable in module.files.iter().flat_map(|file| of_kind(&file.body, "variable")) {
            self.input(variable, module, parent, &mut table);
        }
        self.around = Around::of(module);
        for variable in module.files.iter().flat_map(|file| of_kind(&file.body, "variable")) {
            for validation in of_kind(&variable.body, "validation") {
                conditions.push((variable.span, self.condition(validation)));
            }
        }
        for file in module.files.iter() {
            for block in of_kind(&file.body, "locals") {
                for entry in &block.body.entries {
                    match entry {
                        Entry::Attribute(local) => {
                            let value = self.of_instances(&local.value);
                            let name = module.scope.name("local", &local.name).unwrap_or(&local.name);
                            table.set(name, value, &local.comments);
                        }
                        Entry::Block(_) => self.unknown(entry, "`locals`"),
                    }
                }
            }
        }
        for output in module.files.iter().flat_map(|file| of_kind(&file.body, "output")) {
            self.given_out(output, module, parent, &mut table);
        }
        for block in module.blocks() {
            self.instances_inside(module, block, &mut table);
        }
        if !table.is_empty() {
            document.add(&["local"], table);
        }
        let holder = holder(module);
        if holder.is_none() {
            for (span, _) in conditions.drain(..) {
                let message = "the validation is left out: the module has no resource that could hold it";
                self.findings.differs(
                    span,
                    message,
                    "write it as a condition of the variable that the value comes from",
                );
            }
        }
        let conditions = conditions.into_iter().map(|(_, table)| ("precondition".to_owned(), table)).collect();
        self.around.from_call = FromCall { depends_on, conditions };
        for file in module.files.iter() {
            self.file(file, document);
        }
    }

    /// Says which words of a call mean nothing here.
    fn unknown_words(&mut self, call: &Block) {
        for block in call.body.blocks() {
            let message = format!("`{}` of a module cannot be converted", block.kind);
            self.findings.refuse(block.span, message, "write the stack without it");
        }
    }

    /// An input: what the call gives for it, or the default.
    fn input(&mut self, variable: &Block, module: &'c Module, parent: &'c Module, table: &mut Table) {
        let name = variable.label(0);
        let mut comments = variable.comments.clone();
        let mut kind = "any".to_owned();
        let (mut sensitive, mut nullable, mut default) = (false, true, None);
        for entry in &variable.body.entries {
            match entry {
                Entry::Attribute(attribute) => match attribute.name.as_str() {
                    "type" => kind = one_line(&type_text(&attribute.value)),
                    "default" => default = Some(&attribute.value),
                    "description" => describe(&attribute.value, &mut comments),
                    "sensitive" => sensitive = is_true(&attribute.value),
                    // What is made from something ephemeral is ephemeral itself.
                    "ephemeral" => {}
                    "nullable" => nullable = is_true(&attribute.value),
                    "deprecated" => {}
                    _ => self.unknown(entry, "a variable"),
                },
                Entry::Block(inner) if inner.kind == "validation" => {}
                Entry::Block(_) => self.unknown(entry, "a variable"),
            }
        }
        self.around = Around::of(module);
        let default = default.map(|default| self.value(default));
        self.around = Around::of(parent);
        let given = module.given(name).filter(|_| !CALL_WORDS.contains(&name));
        let repeated = module.scope.repeated.as_ref();
        self.around.here = Here::in_call(parent.scope.repeated.as_ref(), own(module, parent), repeated);
        let value = match (given.map(|given| self.value(given)), default) {
            (Some(Written::Null), Some(default)) if !nullable => default,
            (Some(value @ (Written::Expression(_) | Written::Noted(..))), Some(default)) if !nullable => {
                let (value, default) = (as_expression(&value), as_expression(&default));
                Written::Expression(format!("({value}) == null ? {default} : ({value})"))
            }
            (Some(value), _) => value,
            (None, default) => default.unwrap_or(Written::Null),
        };
        let mut value = of_type(value, &kind);
        if sensitive {
            value = Written::Expression(format!("sensitive({})", as_expression(&value)));
        }
        let Some(flat) = module.scope.name("var", name) else { return };
        let value = match &module.scope.repeated {
            Some(repeated) => Written::Expression(repeated.each(&as_expression(&value))),
            None => value,
        };
        table.set(flat, value, &comments);
    }

    /// An output.
    fn given_out(&mut self, output: &Block, module: &'c Module, parent: &'c Module, table: &mut Table) {
        let mut comments = output.comments.clone();
        self.around.here = Here::in_locals(module.scope.repeated.as_ref());
        let (mut value, mut sensitive) = (Written::Null, false);
        for entry in &output.body.entries {
            match entry {
                Entry::Attribute(attribute) => match attribute.name.as_str() {
                    "value" => value = self.value(&attribute.value),
                    "sensitive" => sensitive = is_true(&attribute.value),
                    "ephemeral" => {}
                    "description" => describe(&attribute.value, &mut comments),
                    "depends_on" => self.findings.differs(
                        attribute.span,
                        "`depends_on` of the output of a module is left out",
                        "what uses the output can say it itself",
                    ),
                    _ => self.unknown(entry, "an output"),
                },
                Entry::Block(_) => self.unknown(entry, "an output"),
            }
        }
        if sensitive {
            value = Written::Expression(format!("sensitive({})", as_expression(&value)));
        }
        let name = module.path.last().and_then(|name| parent.scope.modules.get(name)?.names.get(output.label(0)));
        if let Some(name) = name {
            let value = match &module.scope.repeated {
                Some(repeated) => Written::Expression(repeated.each(&as_expression(&value))),
                None => value,
            };
            table.set(name, value, &comments);
        }
        self.around = Around::of(module);
    }

    /// What makes the instances of a module: a local for the number or the collection and, inside of instances, one
    /// with all of them.
    fn instances(&mut self, module: &'c Module, parent: &'c Module, table: &mut Table) {
        let given = module.given("count").or_else(|| module.given("for_each"));
        let (Some(own), Some(given)) = (own(module, parent), given) else { return };
        self.around = Around::of(parent);
        let value = self.of_instances(given);
        table.put(&own.local, value);
        if let Some(repeated) = module.scope.repeated.as_ref().filter(|_| own.inside) {
            table.put(&repeated.local, Written::Expression(own.all()));
        }
    }

    /// The instances that a resource of a module with instances has of its own, for each of those.
    fn instances_inside(&mut self, module: &'c Module, block: &Block, table: &mut Table) {
        let word = word(block);
        let given = block.body.attribute("count").or_else(|| block.body.attribute("for_each"));
        let (Some(own), Some(given)) = (module.scope.keyed(&word, block.label(1)), given) else { return };
        let value = self.of_instances(&given.value);
        table.set(&own.local, value, &given.comments);
    }

    /// A value of which each instance of the module around has its own, as one for all of them.
    fn of_instances(&mut self, value: &Value) -> Written {
        let repeated = self.around.module.scope.repeated.as_ref();
        let before = std::mem::replace(&mut self.around.here, Here::in_locals(repeated));
        let value = self.value(value);
        self.around.here = before;
        match repeated {
            Some(repeated) => Written::Expression(repeated.each(&as_expression(&value))),
            None => value,
        }
    }

    /// The conditions and dependencies that a resource has because of the call of its module.
    pub(super) fn conditions_of(&mut self, block: &Block) -> Vec<(String, Table)> {
        match holder(self.around.module).is_some_and(|holder| std::ptr::eq(holder, block)) {
            true => std::mem::take(&mut self.around.from_call.conditions),
            false => Vec::new(),
        }
    }
}

/// The instances that the call of a module makes.
fn own<'m>(module: &Module, parent: &'m Module) -> Option<&'m Own> {
    parent.scope.modules.get(module.path.last()?)?.own.as_ref()
}

/// The resource that holds what is said of inputs: one that is always there.
fn holder(module: &Module) -> Option<&Block> {
    let always = |block: &&Block| {
        block.kind == "resource" && !["count", "for_each"].iter().any(|word| block.body.attribute(word).is_some())
    };
    module.blocks().find(always)
}

/// A value, converted to the type that an input declares.
fn of_type(value: Written, kind: &str) -> Written {
    let is_number = |text: &str| text != "true" && text != "false";
    let function = match (kind, &value) {
        ("any", _) | (_, Written::Null) | ("string", Written::Text(_)) => return value,
        ("number", Written::Literal(text)) if is_number(text) => return value,
        ("bool", Written::Literal(text)) if !is_number(text) => return value,
        ("string", _) => "tostring",
        ("number", _) => "tonumber",
        ("bool", _) => "tobool",
        _ => {
            let kind = in_quotes(&crate::migrate::written::escaped(kind));
            return Written::Expression(format!("convert({}, {kind})", as_expression(&value)));
        }
    };
    Written::Expression(format!("{function}({})", as_expression(&value)))
}

/// Adds what a person is told about something.
fn describe(value: &Value, comments: &mut Comments) {
    if let Some(text) = literal_text(value) {
        comments.before.extend(text.lines().map(str::to_owned));
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Native(hcl_edit::expr::Expression::Bool(value), _) => *value.value(),
        Value::Json(json) => matches!(json.data, crate::migrate::json::Data::Bool(true)),
        Value::Native(..) => false,
    }
}

/// A type on one line, without comments. The end of a line parts attributes as a comma does.
fn one_line(kind: &str) -> String {
    let mut result = String::new();
    let mut rest = kind.chars().peekable();
    let mut quoted = false;
    let mut ended = false;
    while let Some(character) = rest.next() {
        let comment = !quoted && (character == '#' || character == '/' && rest.peek() == Some(&'/'));
        if comment {
            while rest.next_if(|next| *next != '\n').is_some() {}
            continue;
        }
        if !quoted && character.is_whitespace() {
            ended |= character == '\n';
            if !result.ends_with(' ') && !result.is_empty() {
                result.push(' ');
            }
            continue;
        }
        if std::mem::take(&mut ended)
            && !result.trim_end().ends_with(['{', '(', '[', ','])
            && !"})],".contains(character)
        {
            result.truncate(result.trim_end().len());
            result.push_str(", ");
        }
        if quoted && character == '\\' {
            result.push(character);
            result.extend(rest.next());
            continue;
        }
        quoted ^= character == '"';
        result.push(character);
    }
    result.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn types_are_written_on_one_line() {
        for (written, expect) in [
            ("string", "string"),
            (
                "object({\n  a = string # one\n  // two\n  b = optional(number, 1)\n})",
                "object({ a = string, b = optional(number, 1) })",
            ),
            (
                "map(object({\n  a = optional(string, \"# \\\" x\"),\n}))",
                "map(object({ a = optional(string, \"# \\\" x\"), }))",
            ),
        ] {
            assert_eq!(one_line(written), expect);
        }
    }
}
