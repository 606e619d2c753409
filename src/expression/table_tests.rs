//! Runs the tables of `tests/fixtures/expressions`; `tests/expressions/generate` explains them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use retrue_provider_api::{Type, Value};

use super::functions::Host;
use super::{EvalError, Expression, Root, Scope, TypeExpression, evaluate, render, with_deep_stack};
use crate::address::InstanceKey;
use crate::span::{FileId, Span};

/// The stack of the tables: what `main.tf` beside them declares.
pub(super) struct Stack {
    directory: PathBuf,
    variables: BTreeMap<String, Value>,
    locals: BTreeMap<String, Value>,
}

impl Stack {
    pub(super) fn new() -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/expressions");
        let mut stack = Stack { directory, variables: BTreeMap::new(), locals: BTreeMap::new() };
        let text = std::fs::read_to_string(stack.directory.join("main.tf")).unwrap();
        for block in hcl_edit::parser::parse_body(&text).unwrap().blocks() {
            let attribute = |name: &str| block.body.get_attribute(name).map(|attribute| attribute.value.to_string());
            let value = |text: &str| evaluate(&Expression::bare(text, FileId(0)).unwrap(), &stack).unwrap();
            match block.ident.as_str() {
                "variable" => {
                    let kind = attribute("type").unwrap();
                    let kind = TypeExpression::parse(&kind, Span::default(), &kind).unwrap();
                    let mut value = kind.convert(&value(&attribute("default").unwrap())).unwrap();
                    if attribute("sensitive").is_some() {
                        value = value.sensitive();
                    }
                    stack.variables.insert(block.labels[0].as_str().to_owned(), value);
                }
                "locals" => {
                    let locals: Vec<_> = block
                        .body
                        .attributes()
                        .map(|attribute| {
                            (attribute.key.to_string().trim().to_owned(), value(&attribute.value.to_string()))
                        })
                        .collect();
                    stack.locals.extend(locals);
                }
                _ => {}
            }
        }
        stack
    }
}

impl Host for Stack {
    fn base_directory(&self) -> &Path {
        &self.directory
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn planning(&self) -> bool {
        true
    }

    fn plan_timestamp(&self) -> Option<String> {
        None
    }
}

impl Scope for Stack {
    fn resolve(&self, root: &Root, _key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError> {
        let found = match root {
            Root::Var(name) => self.variables.get(name.as_ref()).cloned(),
            Root::Local(name) => self.locals.get(name.as_ref()).cloned(),
            Root::Resource { type_name, name } if **type_name == *"terraform_data" && **name == *"unknown" => {
                Some(Value::unknown(Type::Dynamic))
            }
            Root::PathStack => Some(Value::from(".")),
            _ => None,
        };
        found.ok_or_else(|| EvalError::unknown_name("thing", &root.to_string(), [], span))
    }

    fn host(&self) -> &dyn Host {
        self
    }
}

struct Case {
    line: usize,
    expression: String,
    expect: Vec<String>,
    ours: Vec<String>,
}

fn is_expression(line: &str) -> bool {
    line == ">" || line.starts_with("> ")
}

fn read_table(text: &str) -> Vec<Case> {
    let lines: Vec<&str> = text.split('\n').collect();
    let ends = |at: usize| {
        let begins = |line: &str| is_expression(line) || line.starts_with("# ");
        if !lines[at].trim().is_empty() {
            return begins(lines[at]);
        }
        lines[at..].iter().find(|line| !line.trim().is_empty()).is_none_or(|line| begins(line))
    };
    let mut cases = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !is_expression(lines[at]) {
            at += 1;
            continue;
        }
        let line = at + 1;
        let mut expression = Vec::new();
        while at < lines.len() && is_expression(lines[at]) {
            expression.push(lines[at].get(2..).unwrap_or(""));
            at += 1;
        }
        let (mut expect, mut ours, mut is_ours) = (Vec::new(), Vec::new(), false);
        while at < lines.len() && !ends(at) {
            if lines[at].starts_with("ours: ") {
                is_ours = true;
            } else if is_ours {
                ours.push(lines[at].to_owned());
            } else {
                expect.push(lines[at].to_owned());
            }
            at += 1;
        }
        cases.push(Case { line, expression: expression.join("\n"), expect, ours });
    }
    cases
}

fn result_of(text: &str, stack: &Stack) -> Result<String, String> {
    let many = |errors: Vec<EvalError>| errors.iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ");
    let expression = Expression::bare(text, FileId(0)).map_err(|error| error.message)?;
    evaluate(&expression, stack).map(|value| render(&value)).map_err(many)
}

#[test]
fn tables_have_the_results_of_terraform() {
    let stack = Stack::new();
    let mut tables: Vec<PathBuf> = std::fs::read_dir(&stack.directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    tables.sort();
    let mut count = 0;
    let wrong = with_deep_stack(|| {
        let mut wrong = Vec::new();
        for table in &tables {
            for case in read_table(&std::fs::read_to_string(table).unwrap()) {
                count += 1;
                let expect = if case.ours.is_empty() { &case.expect } else { &case.ours };
                let wants_error = expect.first().is_some_and(|line| line == "error" || line.starts_with("error: "));
                let found = result_of(&case.expression, &stack);
                let right = match &found {
                    Ok(found) => !wants_error && *found == expect.join("\n"),
                    Err(_) => wants_error,
                };
                if !right {
                    let name = table.file_name().unwrap().to_string_lossy().into_owned();
                    wrong.push(format!(
                        "{name}:{}: {}\n  expected: {}\n  found:    {}",
                        case.line,
                        case.expression,
                        expect.join("\n            "),
                        found.unwrap_or_else(|error| format!("error: {error}")).replace('\n', "\n            ")
                    ));
                }
            }
        }
        wrong
    })
    .unwrap();
    assert!(count > 300, "only {count} expressions");
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}
