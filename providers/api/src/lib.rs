//! The contract between retrue and what it provisions.
//!
//! A provider is code that reads and changes one kind of system. It implements [`Provider`];
//! everything it is given and everything it returns is defined in this crate, and it needs
//! nothing else of retrue.

mod conversion;
mod error;
mod looking;
mod number;
mod object;
mod offered;
mod path;
pub mod process;
mod proposed;
mod provider;
mod refinement;
mod schema;
pub mod secrets;
#[cfg(feature = "testing")]
pub mod testing;
mod types;
mod unification;
mod value;
mod wire;
mod write_only;

pub use conversion::{ConversionError, convert, is_convertible};
pub use error::{Category, ProviderDiagnostic, ProviderError, Severity};
pub use number::{Number, NumberError, PRECISION};
pub use object::{
    BlobId, Capability, Findable, Found, Image, Marker, Observed, Private, Reversibility, TimeLimits, Unfinished,
};
pub use offered::Offered;
pub use path::{Path, PathStep};
pub use proposed::proposed_state;
pub use provider::{
    Applied, Blobs, Change, ChildProcess, Children, ConfigureRequest, Context, DataRequest, Effect, FindRequest,
    ImageRequest, ImportRequest, Imported, Opened, Outcome, PlanRequest, PlanResponse, Provider, ProviderResult,
    ReadRequest, Subject, ValidateRequest, stable_id,
};
pub use schema::{
    Attribute, AttributeKind, Block, FunctionParameter, FunctionSchema, NestedBlock, Nesting, ProviderSchema,
    TypeSchema,
};
pub use types::{ObjectType, Type};
pub use unification::{unify, unify_safely};
pub use value::{Data, Entries, Marks, Refinement, Value};
pub use wire::{WireError, WireMarks, WireValue, canonical_bytes, from_plain_json, from_wire, to_plain_json, to_wire};
pub use write_only::{attribute_at, sets_write_only, without_write_only};
