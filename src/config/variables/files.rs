//! Files of values: `NAME = VALUE`, in TOML.

use std::path::Path;
use std::sync::Arc;

use super::given::{Content, Given, One};
use super::{Origin, Resolver};
use crate::config::codes;
use crate::config::files::read_text;
use crate::config::load::Reader;
use crate::config::parse::{Parsed, parse};
use crate::diagnostic::{Diagnostic, Sources};
use crate::span::Span;

impl Resolver<'_> {
    pub(super) fn read_file(&mut self, path: &Path, sources: &mut Sources, given: &mut Given) {
        let text: Arc<str> = match read_text(path, path) {
            Ok(text) => text.into(),
            Err(diagnostic) => {
                let message = format!("a file of values: {}", diagnostic.message);
                self.diagnostics.push(Diagnostic { code: codes::VARIABLE_FILE, message, ..diagnostic });
                return;
            }
        };
        let file = sources.add(path.to_path_buf(), Arc::clone(&text));
        let mut diagnostics = Vec::new();
        if let Some(Parsed { root, broken }) = parse(file, &text, &mut diagnostics) {
            for (key, item) in &root {
                let declared = self.stack.variables.get(key.get_ref().as_ref());
                if declared.is_some_and(|variable| variable.sensitive) {
                    sources.hide(Span::new(file, item.span()));
                }
                if broken.iter().any(|region| region.contains(&key.span().start)) {
                    continue;
                }
                let mut reader = Reader { file, text: &text, broken: &broken, diagnostics: &mut diagnostics };
                let expression = reader.expression(item);
                let span = reader.key_span(key);
                let Some((name, _)) = self.stack.variables.get_key_value(key.get_ref().as_ref()) else {
                    self.unknown_name(key.get_ref(), |message| {
                        Diagnostic::error(codes::UNKNOWN_VARIABLE_GIVEN, message).at(span)
                    });
                    continue;
                };
                let span = Some(expression.span());
                let origin = Origin::File(path.to_path_buf());
                given.insert(Arc::clone(name), One { content: Content::Expression(expression), origin, span });
            }
        }
        self.diagnostics.append(&mut diagnostics);
    }
}
