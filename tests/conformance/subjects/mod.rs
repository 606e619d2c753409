//! The types that go through the suite, each with worlds to live in.

mod builtin;
pub mod testcloud;

use futures::future::BoxFuture;

use crate::world::World;

/// A type, perhaps in one of several ways of using it.
pub struct Subject {
    pub name: &'static str,
    /// Starts a fresh world.
    pub start: fn() -> BoxFuture<'static, Box<dyn World>>,
}

macro_rules! subjects {
    ($($name:literal => $start:expr,)*) => {
        &[$(Subject { name: $name, start: || Box::pin(async { Box::new($start.await) as Box<dyn World> }) },)*]
    };
}

/// Every type.
pub const SUBJECTS: &[Subject] = subjects! {
    "testcloud_bucket" => testcloud::over_http(&testcloud::cases::BUCKET),
    "testcloud_bucket(late)" => testcloud::late(&testcloud::cases::BUCKET),
    "testcloud_database" => testcloud::over_http(&testcloud::cases::DATABASE),
    "testcloud_instance" => testcloud::over_http(&testcloud::cases::INSTANCE),
    "testcloud_instance(late)" => testcloud::late(&testcloud::cases::INSTANCE),
    "testcloud_network" => testcloud::over_http(&testcloud::cases::NETWORK),
    "testcloud_token" => testcloud::over_http(&testcloud::cases::TOKEN),
    "retrue_data" => builtin::start(),
};
