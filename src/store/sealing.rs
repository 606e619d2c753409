//! Sealing: no secret rests in the clear.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};

use super::{StoreError, StoreResult};

/// What every sealed text begins with: a version, so that another construction can come later.
const PREFIX: &str = "sealed:1:";
const NONCE: usize = 24;

/// Seals and opens with one key (XChaCha20-Poly1305), and makes keyed hashes (BLAKE3).
///
/// The nonce is a keyed hash of the content, so that sealing the same content twice gives the same
/// text: plans are to be byte-identical for the same input. What this shows is only which sealed
/// contents are equal.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
    nonce_key: [u8; 32],
    hash_key: [u8; 32],
    id: String,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealer").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Sealer {
    /// From the 32 bytes of a key. Everything is derived; the key itself is used for nothing.
    pub fn new(key: &[u8; 32]) -> Sealer {
        let id = blake3::Hash::from_bytes(blake3::derive_key("retrue 2025 store key id", key)).to_hex();
        Sealer {
            cipher: XChaCha20Poly1305::new(&blake3::derive_key("retrue 2025 store sealing", key).into()),
            nonce_key: blake3::derive_key("retrue 2025 store nonces", key),
            hash_key: blake3::derive_key("retrue 2025 store names and fingerprints", key),
            id: id.chars().take(16).collect(),
        }
    }

    /// Names the key without giving anything away about it: 16 hex digits.
    pub fn key_id(&self) -> &str {
        &self.id
    }

    /// Seals bytes into a text that is safe in JSON, TOML and on screens.
    pub fn seal(&self, content: &[u8]) -> String {
        let hash = blake3::keyed_hash(&self.nonce_key, content);
        let mut nonce = [0; NONCE];
        nonce.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        let mut sealed = nonce.to_vec();
        sealed.extend(self.encrypt(&nonce, content, PREFIX.as_bytes()));
        format!("{PREFIX}{}", BASE64.encode(sealed))
    }

    /// Opens what [`Sealer::seal`] made with the same key; fails on anything else.
    pub fn open(&self, sealed: &str) -> StoreResult<Vec<u8>> {
        let text = sealed.strip_prefix(PREFIX).ok_or(StoreError::Unsealing("it does not begin as one"))?;
        let bytes = BASE64.decode(text).map_err(|_| StoreError::Unsealing("it is not base64"))?;
        let (nonce, content) = bytes.split_first_chunk::<NONCE>().ok_or(StoreError::Unsealing("it is cut short"))?;
        self.decrypt(nonce, content, PREFIX.as_bytes())
            .ok_or(StoreError::Unsealing("it was changed, or sealed with another key"))
    }

    /// Whether a text looks like one that [`Sealer::seal`] made.
    pub fn is_sealed(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// A hash that cannot be guessed or compared without the key: 64 hex digits.
    pub fn keyed_hash(&self, content: &[u8]) -> String {
        blake3::keyed_hash(&self.hash_key, content).to_hex().to_string()
    }

    /// The same hash for content that comes in parts.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.hash_key)
    }

    /// The cipher fails only for contents of more than 256 GiB, which no caller has in memory.
    pub(super) fn encrypt(&self, nonce: &[u8; NONCE], content: &[u8], context: &[u8]) -> Vec<u8> {
        let payload = Payload { msg: content, aad: context };
        self.cipher.encrypt(&XNonce::from(*nonce), payload).unwrap_or_default()
    }

    pub(super) fn decrypt(&self, nonce: &[u8; NONCE], content: &[u8], context: &[u8]) -> Option<Vec<u8>> {
        self.cipher.decrypt(&XNonce::from(*nonce), Payload { msg: content, aad: context }).ok()
    }
}

impl crate::rest::Seal for Sealer {
    fn seal(&self, plain: &[u8]) -> String {
        Sealer::seal(self, plain)
    }

    fn unseal(&self, sealed: &str) -> Option<Vec<u8>> {
        self.open(sealed).ok()
    }

    fn keyed_hash(&self, plain: &[u8]) -> String {
        Sealer::keyed_hash(self, plain)
    }
}
