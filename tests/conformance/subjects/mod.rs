//! The types that go through the suite, each with worlds to live in.

mod builtin;
pub mod local;
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
    "local_command" => local::command::start(&local::command::WHOLE),
    "local_command(blind)" => local::command::start(&local::command::BLIND),
    "local_command(guarded)" => local::command::start(&local::command::GUARDED),
    "local_directory" => local::start(&local::cases::DIRECTORY),
    "local_directory(recursive)" => local::start(&local::cases::DIRECTORY_WITH_ALL),
    "local_file" => local::start(&local::cases::FILE),
    "local_file(any mode)" => local::start(&local::cases::FILE_OF_ANY_MODE),
    "local_file(sensitive)" => local::start(&local::cases::FILE_OF_SECRETS),
    "local_file(source)" => local::start(&local::cases::FILE_OF_A_SOURCE),
    "local_symlink" => local::start(&local::cases::SYMLINK),
    "testcloud_bucket" => testcloud::over_http(&testcloud::cases::BUCKET),
    "testcloud_bucket(late)" => testcloud::late(&testcloud::cases::BUCKET),
    "testcloud_database" => testcloud::over_http(&testcloud::cases::DATABASE),
    "testcloud_instance" => testcloud::over_http(&testcloud::cases::INSTANCE),
    "testcloud_instance(late)" => testcloud::late(&testcloud::cases::INSTANCE),
    "testcloud_network" => testcloud::over_http(&testcloud::cases::NETWORK),
    "testcloud_token" => testcloud::over_http(&testcloud::cases::TOKEN),
    "retrue_data" => builtin::start(),
};
