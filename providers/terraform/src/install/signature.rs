//! Signatures over the sums that a registry gives, judged as OpenTofu judges them.

use std::time::{Duration, SystemTime};

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag};

/// What a signature is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Made by one of the keys: its id.
    Signed(String),
    /// Made by one of the keys, and the key or the signature has expired: its id.
    Expired(String),
}

/// Holds a signature against keys in ASCII armour. Of several keys one must have made it.
///
/// # Errors
/// Why it proves nothing, for people.
pub(super) fn verify(document: &[u8], signature: &[u8], keys: &[String], now: SystemTime) -> Result<Verdict, String> {
    if keys.is_empty() {
        return Err("its registry gives no key that it could be signed with".into());
    }
    let unreadable = |error: pgp::errors::Error| format!("the signature over its sums cannot be read: {error}");
    let signatures = DetachedSignature::from_bytes_many(signature).map_err(unreadable)?;
    let signatures: Vec<DetachedSignature> = signatures.collect::<Result<_, _>>().map_err(unreadable)?;
    if signatures.is_empty() {
        return Err("there is nothing in the signature over its sums".into());
    }
    let mut expired = None;
    for armoured in keys {
        let unreadable = |error: pgp::errors::Error| format!("a key that its registry gives cannot be read: {error}");
        let (certificates, _) = SignedPublicKey::from_string_many(armoured).map_err(unreadable)?;
        for certificate in certificates {
            let certificate = certificate.map_err(unreadable)?;
            for signature in &signatures {
                match made_by(document, &signature.signature, &certificate, now)? {
                    Some(verdict @ Verdict::Signed(_)) => return Ok(verdict),
                    Some(verdict) => expired = expired.or(Some(verdict)),
                    None => {}
                }
            }
        }
    }
    expired.ok_or_else(|| match keys.len() {
        1 => "it is not signed with the key that its registry gives".into(),
        many => format!("it is not signed with any of the {many} keys that its registry gives"),
    })
}

/// What a signature is worth by one certificate; `None` when another one claims to have made it.
fn made_by(
    document: &[u8],
    signature: &Signature,
    certificate: &SignedPublicKey,
    now: SystemTime,
) -> Result<Option<Verdict>, String> {
    let primary = &certificate.primary_key;
    let id = primary.legacy_key_id().to_string().to_uppercase();
    let bad = |what: &str| Err(format!("the signature over its sums by the key {id} {what}"));
    // A signature names its maker. One that names nobody may be anybody's.
    let named = is_named(signature);
    let mut bound = None;
    if is_maker(signature, primary) {
        match signature.verify(primary, document) {
            Ok(()) => bound = Some((primary.created_at().into(), None)),
            Err(_) if named => return bad("does not fit them"),
            Err(_) => {}
        }
    }
    for subkey in certificate.public_subkeys.iter().filter(|subkey| is_maker(signature, &subkey.key)) {
        match signature.verify(&subkey.key, document) {
            Ok(()) => {}
            Err(_) if named => return bad("does not fit them"),
            Err(_) => continue,
        }
        let valid = |found: &&Signature| found.verify_subkey_binding(primary, &subkey.key).is_ok();
        let revoked = |found: &Signature| found.typ() == Some(SignatureType::SubkeyRevocation);
        if subkey.signatures.iter().filter(valid).any(revoked) {
            return bad("counts for nothing: that part of the key has been revoked");
        }
        let binding = subkey.signatures.iter().filter(valid).max_by_key(|found| found.created());
        // Both sides say that they belong together, or somebody's key could be claimed by another.
        let mutual = binding.is_some_and(|binding| {
            let backwards = binding.embedded_signature();
            binding.key_flags().sign()
                && backwards.is_some_and(|found| found.verify_primary_key_binding(&subkey.key, primary).is_ok())
        });
        if !mutual {
            return bad("counts for nothing: that part of the key may not sign");
        }
        bound = Some((subkey.key.created_at().into(), binding.and_then(lifetime)));
    }
    let Some((created, lives)) = bound else { return Ok(None) };
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return bad("is one over something else");
    }
    if !signature.hash_alg().is_some_and(is_strong) {
        return bad("rests on a hash that is broken");
    }
    if certificate.details.revocation_signatures.iter().any(|found| found.verify_key(primary).is_ok()) {
        return bad("counts for nothing: the key has been revoked");
    }
    let Some(own) = own_word(certificate) else { return bad("counts for nothing: the key does not vouch for itself") };
    let made = signature.created().map_or(SystemTime::UNIX_EPOCH, Into::into);
    let signature_lives = signature.signature_expiration_time().map(Duration::from).filter(|time| !time.is_zero());
    let alive = [(primary.created_at().into(), lifetime(own)), (created, lives), (made, signature_lives)]
        .into_iter()
        .all(|(from, lives)| is_alive(from, lives, now));
    Ok(Some(if alive { Verdict::Signed(id) } else { Verdict::Expired(id) }))
}

/// What a key says of itself: about its main name where it says which that is, and there the newest.
fn own_word(certificate: &SignedPublicKey) -> Option<&Signature> {
    let primary = &certificate.primary_key;
    let users = certificate.details.users.iter().filter_map(|user| {
        let valid = |found: &&Signature| found.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let newest = user.signatures.iter().filter(valid).max_by_key(|found| found.created())?;
        (newest.typ() != Some(SignatureType::CertRevocation)).then_some(newest)
    });
    let of_user = users.max_by_key(|found| (found.is_primary(), found.created()));
    let direct = certificate.details.direct_signatures.iter().filter(|found| found.verify_key(primary).is_ok());
    of_user.or_else(|| direct.max_by_key(|found| found.created()))
}

fn is_named(signature: &Signature) -> bool {
    !signature.issuer_key_id().is_empty() || !signature.issuer_fingerprint().is_empty()
}

fn is_maker(signature: &Signature, key: &impl KeyDetails) -> bool {
    !is_named(signature)
        || signature.issuer_key_id().contains(&&key.legacy_key_id())
        || signature.issuer_fingerprint().contains(&&key.fingerprint())
}

fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha224, Sha256, Sha384, Sha512};
    matches!(hash, Sha224 | Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// How long a key lives from its making on; `None` for ever.
fn lifetime(own: &Signature) -> Option<Duration> {
    own.key_expiration_time().map(Duration::from).filter(|time| !time.is_zero())
}

/// Whether something that was made then, and lives so long, is there now. What is made in the future is not.
fn is_alive(from: SystemTime, lives: Option<Duration>, now: SystemTime) -> bool {
    from <= now && lives.is_none_or(|lives| from.checked_add(lives).is_none_or(|end| now < end))
}

#[cfg(test)]
mod tests;
