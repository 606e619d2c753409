//! The contract between retrue and what it provisions.
//!
//! A provider is code that reads and changes one kind of system. It implements [`Provider`];
//! everything it is given and everything it returns is defined in this crate, and it needs
//! nothing else of retrue.

mod number;
mod path;
mod types;
mod value;
mod wire;

pub use number::{Number, NumberError, PRECISION};
pub use path::{Path, PathStep};
pub use types::{ObjectType, Type};
pub use value::{Data, Entries, Marks, Refinement, Value};
pub use wire::{WireError, WireMarks, WireValue, canonical_bytes, from_plain_json, from_wire, to_plain_json, to_wire};
