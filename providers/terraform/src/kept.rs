//! What providers said of themselves, kept by the hash of their programs: the same program says the same again.

use std::path::PathBuf;

use prost::Message;

use crate::codec::CodecError;
use crate::config::Kept;
use crate::install;
use crate::schema::{Loaded, load};
use crate::wire::{self, AttributeMessage, Protocol};

/// The version of the form: since 2, types are kept as they came. What an older program did not know of other messages is
/// not in it, so that each version of this program has files of its own.
const FORM: &str = concat!("2 of ", env!("CARGO_PKG_VERSION"));

/// The content of a file.
#[derive(Clone, PartialEq, Message)]
struct Resting {
    #[prost(string, tag = "1")]
    hash: String,
    #[prost(uint64, tag = "2")]
    protocol: u64,
    #[prost(bytes = "vec", tag = "3")]
    schema: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    identities: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    digest: Vec<u8>,
}

impl Resting {
    /// Of all that is in it: a file that was cut or damaged is none.
    fn digest(&self) -> Vec<u8> {
        let bare = Resting { digest: Vec::new(), ..self.clone() };
        blake3::hash(&bare.encode_to_vec()).as_bytes().to_vec()
    }
}

impl Kept {
    fn path(&self) -> PathBuf {
        self.directory.join(blake3::hash(format!("{FORM}\n{}", self.hash).as_bytes()).to_hex().as_str())
    }

    /// What a program with this hash said; `None` where nobody has kept it.
    pub(crate) fn recall(&self) -> Option<Loaded> {
        let resting = Resting::decode(fs_err::read(self.path()).ok()?.as_slice()).ok()?;
        if resting.hash != self.hash || resting.digest != resting.digest() {
            return None;
        }
        let identities = wire::IdentitySchemasResponse::decode(resting.identities.as_slice()).ok()?;
        let loaded = match Protocol::of(resting.protocol)? {
            Protocol::Five => told::<wire::Attribute5>(&resting.schema, identities),
            Protocol::Six => told::<wire::Attribute6>(&resting.schema, identities),
        };
        loaded.ok()
    }

    /// Keeps what it said.
    pub(crate) fn keep<A: AttributeMessage>(
        &self,
        protocol: Protocol,
        schema: &wire::SchemaResponse<A>,
        identities: &wire::IdentitySchemasResponse,
    ) {
        let mut resting = Resting {
            hash: self.hash.clone(),
            protocol: protocol.number(),
            schema: schema.encode_to_vec(),
            identities: identities.encode_to_vec(),
            digest: Vec::new(),
        };
        resting.digest = resting.digest();
        // It only saves time.
        if let Err(error) = install::write(&self.path(), &resting.encode_to_vec()) {
            tracing::debug!(%error, "what a provider said is not kept");
        }
    }

    pub(crate) fn forget(&self) {
        let _ = fs_err::remove_file(self.path());
    }
}

fn told<A: AttributeMessage>(
    schema: &[u8],
    identities: wire::IdentitySchemasResponse,
) -> Result<Loaded, Box<dyn std::error::Error>> {
    let schema = wire::SchemaResponse::<A>::decode(schema)?;
    Ok(load(schema, identities.schemas).map_err(|error: CodecError| error.to_string())?)
}
