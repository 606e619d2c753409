//! A short way for the most common template by far, `${TYPE.NAME.attribute}`.
//!
//! The parser would find the same, as a test shows, and takes ten times as long; in a stack of ten
//! thousand resources that is most of the time of loading it.

use std::sync::Arc;

use super::reference::Root;
use super::tree::{Expression, Kind};
use crate::span::Span;

/// First words that mean something else than the type of a resource, or nothing.
const OTHER_WORDS: [&str; 20] = [
    "data",
    "each",
    "count",
    "self",
    "path",
    "env",
    "resource",
    "module",
    "ephemeral",
    "flag",
    "phase",
    "terraform",
    "true",
    "false",
    "null",
    "for",
    "if",
    "else",
    "endif",
    "endfor",
];

/// The tree of a template that is nothing but names with dots between them; `None` for any other, and for
/// one that is written with escapes.
pub(super) fn plain_reference(text: &str, span: Span, raw: &str) -> Option<Expression> {
    let names = text.strip_prefix("${")?.strip_suffix('}')?;
    let written = raw.get(1..raw.len().checked_sub(1)?)?;
    if written != text || !names.split('.').all(is_plain_name) {
        return None;
    }
    // Behind the quote and the `${`.
    let start = span.start.checked_add(3)?;
    let place = |length: usize| Some(Span { start, end: start.checked_add(u32::try_from(length).ok()?)?, ..span });
    let mut rest = names.split('.');
    let (first, second) = (rest.next()?, rest.next()?);
    let root = match first {
        "var" => Root::Var(second.into()),
        "local" => Root::Local(second.into()),
        other if OTHER_WORDS.contains(&other) => return None,
        other => Root::Resource { type_name: other.into(), name: second.into() },
    };
    let mut length = first.len() + 1 + second.len();
    let mut tree = Expression::from_kind(Kind::Reference { root, key: None }, place(length)?);
    for name in rest {
        length += 1 + name.len();
        tree = Expression::from_kind(Kind::Attribute { of: tree, name: Arc::from(name) }, place(length)?);
    }
    Some(tree)
}

fn is_plain_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expression::lower::Free;
    use crate::expression::parse::template;
    use crate::expression::span_map::SpanMap;
    use crate::span::FileId;

    fn check(text: &str) -> bool {
        let raw = format!("\"{text}\"");
        let span = Span::new(FileId(3), 100..100 + raw.len());
        let quick = plain_reference(text, span, &raw);
        let slow = template(text, &SpanMap::of_toml(text, span, &raw), Free::References);
        if let Some(quick) = &quick {
            assert_eq!(Some(quick), slow.ok().as_ref(), "{text}");
        }
        quick.is_some()
    }

    #[test]
    fn it_is_what_the_parser_finds() {
        for text in ["${var.a}", "${local.a.b}", "${aws_x.y.id}", "${t.n.a.b.c}", "${_a.b1}", "${t.n}"] {
            assert!(check(text), "{text}");
        }
        for text in [
            "x${a.b}",
            "${a.b}x",
            "${a}",
            "${a.b }",
            "${a.b[0]}",
            "${each.key}",
            "${true.x}",
            "${a.0}",
            "${a..b}",
            "${a.b",
            "${}",
        ] {
            assert!(!check(text), "{text}");
        }
        let span = Span::new(FileId(0), 0..20);
        assert!(plain_reference("${a.b}", span, "\"${a\\u002eb}\"").is_none());
        assert!(plain_reference("${a.b}", span, "\"\"\"${a.b}\"\"\"").is_none());
    }

    proptest! {
        #[test]
        fn it_never_differs_from_the_parser(text in "\\$\\{(var|local|[a-z_]{1,4}|in|for|null)(\\.[a-z0-9_]{1,3}){0,4}\\}") {
            check(&text);
        }
    }
}
