//! What an expression is evaluated in.

use retrue_provider_api::Value;

use super::error::EvalError;
use super::functions::Host;
use super::reference::Root;
use crate::address::InstanceKey;
use crate::span::Span;

/// What the references of an expression stand for. It is asked for one thing at a time, and only for
/// what is used.
pub trait Scope {
    /// The value that `root` stands for; of a block with several instances, that of `key`.
    ///
    /// `key` is `None` where the reference names no instance (`TYPE.NAME`, `TYPE.NAME[*].id`), or
    /// one that is not known yet: then the value holds all instances, a tuple for `count` and an
    /// object for `for_each`. Building that is dear, so it happens in these cases only. The error is
    /// reported at `span`, which covers the root and the key.
    fn resolve(&self, root: &Root, key: Option<&InstanceKey>, span: Span) -> Result<Value, EvalError>;

    /// The outside world, for functions.
    fn host(&self) -> &dyn Host;
}
