//! RSA private keys, in the forms that people have them, and decryption with them.

use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::{BigUint, Pkcs1v15Encrypt, RsaPrivateKey};

use super::encoding::from_base64;

/// Reads a key in PEM: PKCS #1, PKCS #8 or OpenSSH's own form, none of them encrypted.
pub(super) fn private_key(text: &str) -> Result<RsaPrivateKey, String> {
    let text = text.trim();
    let key = if text.contains("BEGIN OPENSSH PRIVATE KEY") {
        openssh(text).ok_or_else(|| "it is not an unencrypted RSA key".to_owned())
    } else if text.contains("BEGIN RSA PRIVATE KEY") {
        RsaPrivateKey::from_pkcs1_pem(text).map_err(|error| error.to_string())
    } else {
        RsaPrivateKey::from_pkcs8_pem(text).map_err(|error| error.to_string())
    };
    // What the libraries say about a key could tell something of it.
    key.map_err(|error| format!("not a private key in PEM that can be used: {error}"))
}

/// Decrypts what was encrypted by PKCS #1 v1.5, to text.
pub(super) fn decrypt(key: &RsaPrivateKey, bytes: &[u8]) -> Result<String, String> {
    let plain = key.decrypt(Pkcs1v15Encrypt, bytes).map_err(|_| "this was not encrypted for this key".to_owned())?;
    String::from_utf8(plain).map_err(|_| "what this decrypts to is not valid UTF-8".to_owned())
}

/// OpenSSH's form (PROTOCOL.key in its sources): lengths and fields, the numbers at the end.
fn openssh(text: &str) -> Option<RsaPrivateKey> {
    let body = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?.1;
    let body = body.split_once("-----END OPENSSH PRIVATE KEY-----")?.0;
    let bytes = from_base64(&body.split_whitespace().collect::<String>()).ok()?;
    let mut outer = Fields(bytes.strip_prefix(b"openssh-key-v1\0")?);
    let (cipher, _kdf, _options) = (outer.field()?, outer.field()?, outer.field()?);
    if cipher != b"none" || outer.number()? != 1 {
        return None;
    }
    let _public = outer.field()?;
    let mut inner = Fields(outer.field()?);
    let (first_check, second_check) = (inner.number()?, inner.number()?);
    if first_check != second_check || inner.field()? != b"ssh-rsa" {
        return None;
    }
    let (n, e, d) = (inner.integer()?, inner.integer()?, inner.integer()?);
    let _inverse = inner.integer()?;
    let primes = vec![inner.integer()?, inner.integer()?];
    RsaPrivateKey::from_components(n, e, d, primes).ok()
}

struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    fn field(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn integer(&mut self) -> Option<BigUint> {
        self.field().map(BigUint::from_bytes_be)
    }
}
