//! Putting texts together.

use retrue_provider_api::{Data, Marks, Refinement, Type, Value, convert};

use super::error::{EvalError, codes};
use super::evaluate::{Errors, Evaluator};
use super::tree::{Expression, ForLoop};
use crate::span::Span;

/// Bytes of a known beginning that are remembered of a text that is unknown as a whole.
const MAX_PREFIX: usize = 128;

impl Evaluator<'_> {
    pub(super) fn template(&self, parts: &[Expression], errors: &mut Errors) -> Value {
        let before = errors.len();
        let mut text = String::new();
        let mut known = true;
        let mut marks = Marks::NONE;
        for part in parts {
            let value = self.value(part, errors);
            marks = marks.union(value.marks_deep());
            match part_text(&value, part.span()) {
                Ok(Some(piece)) if known => text.push_str(&piece),
                Ok(Some(_)) => {}
                Ok(None) => known = false,
                Err(error) => errors.push(error),
            }
        }
        if known {
            return Value::string(text).with_marks(marks);
        }
        let prefix = if errors.len() > before { None } else { safe_prefix(&text) };
        Value::unknown_refined(Type::String, Refinement { not_null: true, prefix, ..Refinement::default() })
            .with_marks(marks)
    }

    /// `%{for}`: the texts of all rounds, one after the other.
    pub(super) fn joined_for(&self, each: &ForLoop, span: Span, errors: &mut Errors) -> Value {
        let rounds = self.for_expression(each, errors);
        let marks = rounds.marks_deep();
        let Data::Tuple(items) = rounds.data() else {
            return Value::unknown(Type::String).with_marks(marks);
        };
        let mut text = String::new();
        for item in items.iter() {
            match part_text(item, span) {
                Ok(Some(piece)) => text.push_str(&piece),
                Ok(None) => return Value::unknown(Type::String).with_marks(marks),
                Err(error) => {
                    errors.push(error);
                    return Value::unknown(Type::String).with_marks(marks);
                }
            }
        }
        Value::string(text).with_marks(marks)
    }
}

/// The text of a part; `None` when it is not known.
fn part_text(value: &Value, span: Span) -> Result<Option<String>, EvalError> {
    let wrong = |message: String| EvalError::new(codes::TEMPLATE_VALUE, message, span);
    match value.data() {
        Data::Null(_) => Err(wrong("a null value cannot be put into a text".into())),
        Data::String(text) => Ok(Some(text.as_ref().to_owned())),
        Data::Unknown(..) => Ok(None),
        _ => match convert(value, &Type::String) {
            Ok(text) => Ok(text.as_str().map(ToOwned::to_owned)),
            Err(_) => {
                let message = format!("a {} cannot be put into a text", value.kind().friendly_name());
                Err(wrong(message).hint("`jsonencode(…)` makes a text of anything, `join(\", \", …)` of a list"))
            }
        },
    }
}

/// The part of a beginning that stays as it is whatever follows: a letter at its end could still
/// combine with what comes.
fn safe_prefix(text: &str) -> Option<std::sync::Arc<str>> {
    use unicode_segmentation::UnicodeSegmentation;
    let mut end = text.len().min(MAX_PREFIX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text.get(..end)?;
    let never_combines = |last: char| "-_:;/\\,.(){}[]|?!~ \t@#$%^&*+\"'".contains(last);
    let kept = match text.chars().next_back() {
        Some(last) if never_combines(last) => text,
        _ => {
            let (start, _) = text.grapheme_indices(true).next_back()?;
            text.get(..start)?
        }
    };
    // Strings are in normalisation form C, and so is what is known of them.
    let normal = Value::string(kept);
    normal.as_str().filter(|text| !text.is_empty()).map(Into::into)
}
