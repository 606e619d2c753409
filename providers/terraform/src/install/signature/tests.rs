//! Keys that are made here, and what they sign.

use pgp::composed::{
    ArmorOptions, KeyType, SecretKeyParamsBuilder, SignedSecretKey, SubkeyParamsBuilder, SubpacketConfig,
};
use pgp::packet::{SignatureConfig, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration as Span, Password, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;

const SUMS: &[u8] = b"sums\n";

fn random() -> StdRng {
    StdRng::seed_from_u64(7)
}

/// A key, with a part that may sign.
fn key(seed: u64) -> SignedSecretKey {
    let part = SubkeyParamsBuilder::default().key_type(KeyType::Ed25519Legacy).can_sign(true).build().unwrap();
    let mut params = SecretKeyParamsBuilder::default();
    params.key_type(KeyType::Ed25519Legacy).can_certify(true).can_sign(true).primary_user_id("maker".into());
    params.subkey(part).build().unwrap().generate(StdRng::seed_from_u64(seed)).unwrap()
}

fn armoured(key: &SignedPublicKey) -> String {
    key.to_armored_string(ArmorOptions::default()).unwrap()
}

fn bytes(signature: &DetachedSignature) -> Vec<u8> {
    let mut bytes = Vec::new();
    signature.to_writer(&mut bytes).unwrap();
    bytes
}

fn signed(key: &SignedSecretKey, hash: HashAlgorithm) -> Vec<u8> {
    bytes(&DetachedSignature::sign_binary_data(random(), &key.primary_key, &Password::empty(), hash, SUMS).unwrap())
}

fn check(keys: &[&SignedPublicKey], signature: &[u8]) -> Result<Verdict, String> {
    let keys: Vec<String> = keys.iter().map(|key| armoured(key)).collect();
    // What was made within this second is not of the future.
    verify(SUMS, signature, &keys, SystemTime::now() + Duration::from_secs(1))
}

fn refused(keys: &[&SignedPublicKey], signature: &[u8], part: &str) {
    let what = check(keys, signature).unwrap_err();
    assert!(what.contains(part), "{what}");
}

/// The same key, which says of itself that it lives for so many seconds.
fn living(key: &SignedSecretKey, seconds: u32) -> SignedPublicKey {
    let mut public = key.to_public_key();
    let user = public.details.users.first_mut().unwrap();
    let mut config = SignatureConfig::from_key(random(), &key.primary_key, SignatureType::CertPositive).unwrap();
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::now())).unwrap(),
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap(),
        Subpacket::regular(SubpacketData::KeyExpirationTime(Span::from_secs(seconds))).unwrap(),
    ];
    let own =
        config.sign_certification(&key.primary_key, &public.primary_key, &Password::empty(), Tag::UserId, &user.id);
    user.signatures = vec![own.unwrap()];
    public
}

#[test]
fn what_counts() {
    let (key, other) = (key(1), self::key(2));
    let (public, others) = (key.to_public_key(), other.to_public_key());
    let id = key.primary_key.legacy_key_id().to_string().to_uppercase();
    let good = signed(&key, HashAlgorithm::Sha256);
    assert_eq!(check(&[&public], &good), Ok(Verdict::Signed(id.clone())));
    assert_eq!(check(&[&others, &public], &good), Ok(Verdict::Signed(id.clone())));
    let part = &key.secret_subkeys.first().unwrap().key;
    let part = DetachedSignature::sign_binary_data(random(), part, &Password::empty(), HashAlgorithm::Sha512, SUMS);
    assert_eq!(check(&[&public], &bytes(&part.unwrap())), Ok(Verdict::Signed(id)));
}

#[test]
fn what_does_not_count() {
    let (key, other) = (key(1), self::key(2));
    let (public, others) = (key.to_public_key(), other.to_public_key());
    let good = signed(&key, HashAlgorithm::Sha256);
    refused(&[&others], &good, "not signed with the key");
    refused(&[&others, &others], &good, "any of the 2 keys");
    refused(&[], &good, "gives no key");
    refused(&[&public], b"", "there is nothing in");
    refused(&[&public], b"garbage in place of a signature", "cannot be read");
    refused(&[&public], armoured(&public).as_bytes(), "cannot be read");
    for at in (0..good.len()).step_by(3) {
        let mut bad = good.clone();
        if let Some(byte) = bad.get_mut(at) {
            *byte ^= 1;
        }
        // The ids of the maker that nothing vouches for may be anything: what counts is what verifies.
        if let Ok(verdict) = check(&[&public], &bad) {
            assert_eq!(bad.len(), good.len());
            assert!(matches!(verdict, Verdict::Signed(_)));
            let unhashed = DetachedSignature::from_bytes(bad.as_slice()).unwrap().signature;
            let before = DetachedSignature::from_bytes(good.as_slice()).unwrap().signature;
            assert_eq!(unhashed.config().unwrap().hashed_subpackets, before.config().unwrap().hashed_subpackets);
        }
    }
    let armour = armoured(&public);
    let what = verify(b"other sums", &good, std::slice::from_ref(&armour), SystemTime::now()).unwrap_err();
    assert!(what.contains("does not fit"), "{what}");
    let what = verify(SUMS, &good, &["no key".into()], SystemTime::now()).unwrap_err();
    assert!(what.contains("cannot be read"), "{what}");
    // Only with such a key can such a hash still be used.
    let mut params = SecretKeyParamsBuilder::default();
    params.key_type(KeyType::Rsa(2048)).can_certify(true).can_sign(true).primary_user_id("maker".into());
    let old = params.build().unwrap().generate(random()).unwrap();
    refused(&[&old.to_public_key()], &signed(&old, HashAlgorithm::Sha1), "broken");
    // What the key says of itself is a signature, too, but not over these.
    let own = public.details.users.first().unwrap().signatures.first().unwrap().clone();
    refused(&[&public], &bytes(&DetachedSignature::new(own)), "does not fit");
}

#[test]
fn keys_that_may_not() {
    let (key, other) = (key(1), self::key(2));
    let good = signed(&key, HashAlgorithm::Sha256);
    // A key that nobody vouches for, and one whose word is another's.
    let mut stranger = key.to_public_key();
    stranger.details.users.first_mut().unwrap().signatures =
        other.to_public_key().details.users.first().unwrap().signatures.clone();
    refused(&[&stranger], &good, "vouch for itself");
    let mut config = SignatureConfig::from_key(random(), &key.primary_key, SignatureType::KeyRevocation).unwrap();
    config.hashed_subpackets = vec![Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap()];
    let public = key.to_public_key();
    let revocation = config.sign_key(&key.primary_key, &Password::empty(), &public.primary_key).unwrap();
    let mut revoked = public;
    revoked.details.revocation_signatures.push(revocation);
    refused(&[&revoked], &good, "revoked");
    // Somebody claims the signing part of another key as his own.
    let part = &other.secret_subkeys.first().unwrap().key;
    let part = DetachedSignature::sign_binary_data(random(), part, &Password::empty(), HashAlgorithm::Sha256, SUMS);
    let mut claimed = key.to_public_key();
    claimed.public_subkeys = other.to_public_key().public_subkeys;
    refused(&[&claimed], &bytes(&part.unwrap()), "may not sign");
}

#[test]
fn what_has_expired() {
    let key = key(1);
    let good = signed(&key, HashAlgorithm::Sha256);
    let at = |public: &SignedPublicKey, seconds: u64| {
        verify(SUMS, &good, &[armoured(public)], SystemTime::now() + Duration::from_secs(seconds)).unwrap()
    };
    let lives = living(&key, 1000);
    assert!(matches!(at(&lives, 500), Verdict::Signed(_)));
    assert!(matches!(at(&lives, 2000), Verdict::Expired(_)));
    assert!(matches!(at(&living(&key, 0), 2_000_000_000), Verdict::Signed(_)), "0 means for ever");
    let early = verify(SUMS, &good, &[armoured(&lives)], SystemTime::now() - Duration::from_secs(1000));
    assert!(matches!(early.unwrap(), Verdict::Expired(_)), "a key of the future");
    // Another key that has not expired counts before it.
    let keys = [armoured(&lives), armoured(&key.to_public_key())];
    let verdict = verify(SUMS, &good, &keys, SystemTime::now() + Duration::from_secs(2000));
    assert!(matches!(verdict.unwrap(), Verdict::Signed(_)));
    let short = SubpacketConfig::UserDefined {
        hashed: vec![
            Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap(),
            Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::now())).unwrap(),
            Subpacket::regular(SubpacketData::SignatureExpirationTime(Span::from_secs(1000))).unwrap(),
        ],
        unhashed: Vec::new(),
    };
    let short = DetachedSignature::sign_binary_data_with_subpackets(
        random(),
        &key.primary_key,
        &Password::empty(),
        HashAlgorithm::Sha256,
        SUMS,
        short,
    );
    let (short, public) = (bytes(&short.unwrap()), [armoured(&key.to_public_key())]);
    let at = |seconds| verify(SUMS, &short, &public, SystemTime::now() + Duration::from_secs(seconds)).unwrap();
    assert!(matches!(at(500), Verdict::Signed(_)));
    assert!(matches!(at(2000), Verdict::Expired(_)));
}
