//! Expressions: templates in strings, references, functions, type expressions.
//!
//! The language is HCL's, and an expression has the result that `terraform console` shows for it;
//! tables in `tests/fixtures/expressions` hold it to that. The parser is `hcl-edit`; what it finds is
//! turned into a tree of our own ([`Expression`]), whose places count bytes of the TOML file, and
//! whose references are resolved one by one through a [`Scope`].
//!
//! Architecture Invariant: evaluation touches nothing outside but through the [`Scope`], and through
//! the `Host` that it gives to functions.

mod call;
mod conditional;
mod defaults;
mod depth;
mod equality;
mod error;
mod evaluate;
mod for_expression;
pub mod functions;
mod lower;
mod lower_reference;
mod lower_template;
mod operators;
mod parse;
mod portable;
mod quick;
mod reference;
mod render;
mod scope;
mod span_map;
mod stack;
mod template;
mod traversal;
mod tree;
mod type_expression;

pub use depth::MAX_DEPTH;
pub use error::{EvalError, codes, nearest};
pub use evaluate::evaluate;
pub use reference::{Each, Reference, Root};
pub use render::render;
pub use scope::Scope;
pub use stack::{STACK_SIZE, with_deep_stack};
pub use tree::{Expression, TargetKey};
pub use type_expression::TypeExpression;

#[cfg(test)]
mod expression_tests;
#[cfg(test)]
mod table_tests;
#[cfg(test)]
mod type_expression_tests;
