//! The messages of plugin protocol 5 and 6, written by hand: one set of structures for both.
//!
//! The two protocols differ in the names of some methods, and in one message: an attribute of a
//! schema. Everything else has the same numbers in both.

mod message;
mod method;
mod schema;

pub(crate) use message::*;
pub(crate) use method::{Method, Protocol};
pub(crate) use schema::*;
