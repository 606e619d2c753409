//! Where providers come from: mirrors, caches, overrides, registries.
//!
//! Layouts, settings and hashes are Terraform's own, so that what is there already is used. Providers are
//! never fetched from Terraform's registry, whose terms allow that to Terraform alone; mirrors that hold
//! what came from there are read.

mod address;
mod archive;
mod constraint;
mod hash;
mod known;
mod lock;
mod mirror;
mod network;
mod reattach;
mod registry;
mod resolve;
mod settings;
mod signature;

use std::path::PathBuf;

use thiserror::Error;

pub use address::{OPENTOFU, ProviderAddress, TERRAFORM, platform};
pub use constraint::{Constraints, Version};
pub use hash::{Hash, hash_archive, hash_directory};
pub(crate) use known::write;
pub use known::{known_hash, private};
pub use lock::{Lock, LockedProvider};
pub use mirror::program_in;
pub use reattach::attached;
pub use resolve::{Installation, Installed, Trust, Wanted};
pub use settings::{Method, Scope, Settings};

/// Why there is no provider to be used.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The text is no address of a provider.
    #[error("`{0}` is no address of a provider: it is `NAME`, `NAMESPACE/NAME` or `HOST/NAMESPACE/NAME`")]
    Address(String),
    /// The text is no version.
    #[error("`{0}` is no version")]
    Version(String),
    /// The text is no constraint on versions.
    #[error("`{0}` is no constraint on versions")]
    Constraint(String),
    /// The text is no hash.
    #[error("`{0}` is no hash: it begins with `h1:` or `zh:`")]
    Hash(String),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// No version fits.
    #[error("no version of `{address}` for {platform} fits `{wanted}`: there {}", found(versions))]
    NoVersion {
        /// The provider.
        address: ProviderAddress,
        /// The platform: `linux_amd64`.
        platform: String,
        /// What was asked for.
        wanted: String,
        /// What there is, newest first.
        versions: Vec<Version>,
    },
    /// What was found is not what the lock file says.
    #[error(
        "`{address}` {version} in {place} is not the one that is locked: none of its hashes is in the lock file ({})",
        hashes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    Mismatch {
        /// The provider.
        address: ProviderAddress,
        /// Its version.
        version: Version,
        /// Where it was found.
        place: String,
        /// What its hashes are.
        hashes: Vec<Hash>,
    },
    /// The lock file names no hash that it could be held against.
    #[error("the lock file names no hash of `{address}` {version}, so that any program would do")]
    NoHash {
        /// The provider.
        address: ProviderAddress,
        /// Its version.
        version: Version,
    },
    /// Nobody who may do so vouches for what a registry gives.
    #[error("`{address}` {version} is not to be trusted: {what}")]
    Signature {
        /// The provider.
        address: ProviderAddress,
        /// Its version.
        version: Version,
        /// What is wrong.
        what: String,
    },
    /// The lock file names a version that the constraints do not allow.
    #[error("the lock file has `{address}` {version}, which does not fit `{wanted}`: install again with an upgrade")]
    Locked {
        /// The provider.
        address: ProviderAddress,
        /// The version that is locked.
        version: Version,
        /// What was asked for.
        wanted: String,
    },
    /// A server does not answer as it should.
    #[error("{url}: {what}")]
    Network {
        /// What was asked for.
        url: String,
        /// What went wrong.
        what: String,
    },
}

fn found(versions: &[Version]) -> String {
    if versions.is_empty() {
        return "is none".into();
    }
    let first: Vec<String> = versions.iter().take(5).map(ToString::to_string).collect();
    let more = if versions.len() > first.len() { ", …" } else { "" };
    format!("are {}{more}", first.join(", "))
}

impl InstallError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| InstallError::File { path, source }
    }
}
