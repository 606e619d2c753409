//! Registries, and who vouches for what they give.

use std::collections::BTreeMap;
use std::path::Path;

use pgp::composed::{ArmorOptions, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Duration, KeyDetails, Password, Tag, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;
use retrue_provider_terraform::install::{
    Hash, InstallError, Installation, Installed, LockedProvider, Method, Scope, Settings, Trust, Wanted, platform,
};

use crate::support::{archive, hex, server, version, wanted};

fn key(seed: u64) -> SignedSecretKey {
    let mut params = SecretKeyParamsBuilder::default();
    // RSA, as most keys of registries are.
    params.key_type(KeyType::Rsa(2048)).can_certify(true).can_sign(true).primary_user_id("maker".into());
    params.build().unwrap().generate(StdRng::seed_from_u64(seed)).unwrap()
}

fn armoured(key: &SignedSecretKey) -> String {
    key.to_public_key().to_armored_string(ArmorOptions::default()).unwrap()
}

fn signed(key: &SignedSecretKey, text: &[u8]) -> Vec<u8> {
    let random = StdRng::seed_from_u64(3);
    let hash = HashAlgorithm::Sha256;
    let made = DetachedSignature::sign_binary_data(random, &key.primary_key, &Password::empty(), hash, text).unwrap();
    let mut bytes = Vec::new();
    made.to_writer(&mut bytes).unwrap();
    bytes
}

/// A key that has expired a second after it was made, ten years ago.
fn expired(seed: u64) -> SignedSecretKey {
    let long_ago = Timestamp::from_secs(Timestamp::now().as_secs() - 10 * 365 * 24 * 3600);
    let mut params = SecretKeyParamsBuilder::default();
    params.key_type(KeyType::Ed25519Legacy).can_certify(true).can_sign(true).primary_user_id("maker".into());
    let mut key = params.created_at(long_ago).build().unwrap().generate(StdRng::seed_from_u64(seed)).unwrap();
    let mut config =
        SignatureConfig::from_key(StdRng::seed_from_u64(4), &key.primary_key, SignatureType::CertPositive).unwrap();
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(long_ago)).unwrap(),
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.fingerprint())).unwrap(),
        Subpacket::regular(SubpacketData::KeyExpirationTime(Duration::from_secs(1))).unwrap(),
    ];
    let public = key.to_public_key().primary_key;
    let user = key.details.users.first_mut().unwrap();
    let own = config.sign_certification(&key.primary_key, &public, &Password::empty(), Tag::UserId, &user.id);
    user.signatures = vec![own.unwrap()];
    key
}

/// What a registry says of one archive.
struct Says {
    keys: Vec<String>,
    sums: Vec<u8>,
    signature: Option<Vec<u8>>,
    shasum: String,
}

const OTHER: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

impl Says {
    /// What it should say.
    fn of(zip: &[u8], key: &SignedSecretKey) -> Self {
        let shasum = hex(zip).trim_start_matches("zh:").to_owned();
        let sums = format!("{OTHER}  x_3.0.0_plan9_mips.zip\n{shasum}  x.zip\n{OTHER}  x_manifest.json\n").into_bytes();
        Says { keys: vec![armoured(key)], signature: Some(signed(key, &sums)), sums, shasum }
    }

    /// What comes of it. `official`: it is the registry that is asked where no other is named.
    async fn found(self, zip: Vec<u8>, official: bool, trust: Trust) -> Result<Installed, InstallError> {
        let cache = tempfile::tempdir().unwrap();
        let found = find(self, zip, official, trust, cache.path(), wanted("")).await;
        if found.is_err() {
            let kept = std::fs::read_dir(cache.path()).into_iter().flatten().count();
            assert_eq!(kept, 0, "something of it is kept");
        }
        found
    }
}

async fn find(
    says: Says,
    zip: Vec<u8>,
    official: bool,
    trust: Trust,
    cache: &Path,
    wish: Wanted,
) -> Result<Installed, InstallError> {
    let (os, arch) = platform().split_once('_').map(|(os, arch)| (os.to_owned(), arch.to_owned())).unwrap();
    let (host, _) = server(|_| {
        let text = |json: serde_json::Value| json.to_string().into_bytes();
        let platforms = serde_json::json!([{"os": os, "arch": arch}]);
        let keys: Vec<_> = says.keys.iter().map(|key| serde_json::json!({"ascii_armor": key, "key_id": "X"})).collect();
        let mut files = BTreeMap::from([
            ("/.well-known/terraform.json".into(), text(serde_json::json!({"providers.v1": "/v1/providers/"}))),
            (
                "/v1/providers/acme/x/versions".into(),
                text(serde_json::json!({"versions": [
                    {"version": "1.0.0", "protocols": ["5.0"], "platforms": platforms},
                    {"version": "2.0.0", "protocols": ["4.0"], "platforms": platforms},
                    {"version": "3.0.0", "protocols": ["6.0"], "platforms": []},
                ]})),
            ),
            (
                format!("/v1/providers/acme/x/3.0.0/download/{os}/{arch}"),
                text(serde_json::json!({
                    "filename": "x.zip",
                    "download_url": "/files/x.zip",
                    "shasum": says.shasum,
                    "shasums_url": "/files/sums",
                    "shasums_signature_url": "/files/sums.sig",
                    "signing_keys": {"gpg_public_keys": keys},
                })),
            ),
            ("/files/x.zip".into(), zip),
            ("/files/sums".into(), says.sums),
        ]);
        files.extend(says.signature.map(|signature| ("/files/sums.sig".into(), signature)));
        files
    });
    let mut settings = Settings { methods: vec![(Method::Direct, Scope::default())], ..Settings::default() };
    let address = if official {
        settings.hosts.insert("registry.opentofu.org".into(), format!("http://{host}/v1/providers/"));
        "acme/x".parse().unwrap()
    } else {
        format!("{host}/acme/x").parse().unwrap()
    };
    let installation = Installation::new(settings, cache).trusting(trust);
    installation.find(&Wanted { address, ..wish }).await
}

const AS_USUAL: Trust = Trust { keys_needed: false, expired_refused: false };

async fn refused(says: Says, zip: Vec<u8>, official: bool, trust: Trust, part: &str) {
    let error = says.found(zip, official, trust).await.unwrap_err();
    assert!(matches!(error, InstallError::Signature { .. } | InstallError::Network { .. }), "{error}");
    assert!(error.to_string().contains(part), "{error}");
}

#[tokio::test]
async fn what_its_maker_signed() {
    let (zip, key) = (archive("registered"), key(1));
    for official in [false, true] {
        let cache = tempfile::tempdir().unwrap();
        let says = Says::of(&zip, &key);
        let installed = find(says, zip.clone(), official, AS_USUAL, cache.path(), wanted("")).await.unwrap();
        assert_eq!(version(&installed), "3.0.0");
        assert_eq!(std::fs::read_to_string(&installed.program).unwrap(), "registered");
        assert_eq!(installed.warnings, Vec::<String>::new());
        // The lock file names archives for other platforms, too: these and no other files.
        let others = installed.hashes.iter().filter(|hash| hash.to_string() == format!("zh:{OTHER}")).count();
        assert_eq!((installed.hashes.len(), others), (3, 1));
        let cache = tempfile::tempdir().unwrap();
        let error = find(Says::of(&zip, &key), zip.clone(), official, AS_USUAL, cache.path(), wanted("2.0.0")).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains("there are 3.0.0, 1.0.0"), "{error}");
    }
    // One of several keys.
    let says = Says { keys: vec![armoured(&self::key(2)), armoured(&key)], ..Says::of(&zip, &key) };
    says.found(zip, false, AS_USUAL).await.unwrap();
}

#[tokio::test]
async fn what_nobody_vouches_for() {
    let (zip, key, other) = (archive("registered"), key(1), key(2));
    for official in [false, true] {
        let wrong = Says { keys: vec![armoured(&other)], ..Says::of(&zip, &key) };
        refused(wrong, zip.clone(), official, AS_USUAL, "not signed with the key").await;
        let changed = Says::of(&zip, &key);
        let sums = [&changed.sums[..], b"more\n"].concat();
        refused(Says { sums, ..changed }, zip.clone(), official, AS_USUAL, "does not fit").await;
        let missing = Says { signature: None, ..Says::of(&zip, &key) };
        refused(missing, zip.clone(), official, AS_USUAL, "there is no such file").await;
        for garbage in [&b"garbage"[..], b"", &[0x88; 300]] {
            let garbage = Says { signature: Some(garbage.to_vec()), ..Says::of(&zip, &key) };
            refused(garbage, zip.clone(), official, AS_USUAL, "signature over its sums").await;
        }
        let garbage = Says { keys: vec!["garbage".into()], ..Says::of(&zip, &key) };
        refused(garbage, zip.clone(), official, AS_USUAL, "cannot be read").await;
        // Sums that are signed, but of something else.
        let sums = format!("{OTHER}  y.zip\n").into_bytes();
        let elsewhere = Says { signature: Some(signed(&key, &sums)), sums, ..Says::of(&zip, &key) };
        refused(elsewhere, zip.clone(), official, AS_USUAL, "do not name `x.zip`").await;
        let sums = format!("{OTHER}  x.zip\n").into_bytes();
        let elsewhere = Says { signature: Some(signed(&key, &sums)), sums, ..Says::of(&zip, &key) };
        refused(elsewhere, zip.clone(), official, AS_USUAL, "another archive").await;
        // All is signed, and the archive is another one.
        let error = Says::of(&zip, &key).found(archive("evil"), official, AS_USUAL).await.unwrap_err();
        assert!(matches!(error, InstallError::Mismatch { .. }), "{error}");
    }
}

#[tokio::test]
async fn without_keys_only_one_registry_is_believed() {
    let (zip, key) = (archive("registered"), key(1));
    let says = || Says { keys: Vec::new(), ..Says::of(&zip, &key) };
    refused(says(), zip.clone(), false, AS_USUAL, "gives no key").await;
    let installed = says().found(zip.clone(), true, AS_USUAL).await.unwrap();
    assert!(installed.warnings[0].contains("nobody vouches for"), "{:?}", installed.warnings);
    refused(says(), zip.clone(), true, Trust { keys_needed: true, ..AS_USUAL }, "gives no key").await;
}

#[tokio::test]
async fn keys_that_have_expired() {
    let (zip, key) = (archive("registered"), expired(1));
    let installed = Says::of(&zip, &key).found(zip.clone(), false, AS_USUAL).await.unwrap();
    assert!(installed.warnings[0].contains("which has expired"), "{:?}", installed.warnings);
    let strict = Trust { expired_refused: true, ..AS_USUAL };
    refused(Says::of(&zip, &key), zip.clone(), true, strict, "which has expired").await;
}

#[tokio::test]
async fn what_is_locked_is_held_for_every_platform() {
    let (zip, key) = (archive("registered"), key(1));
    let cache = tempfile::tempdir().unwrap();
    let lock = |hash: &str| LockedProvider {
        version: "3.0.0".into(),
        constraints: String::new(),
        hashes: [hash.parse::<Hash>().unwrap()].into(),
    };
    let wish = Wanted { locked: Some(lock(&hex(&zip))), ..wanted("") };
    find(Says::of(&zip, &key), zip.clone(), true, AS_USUAL, cache.path(), wish).await.unwrap();
    let cache = tempfile::tempdir().unwrap();
    let wish = Wanted { locked: Some(lock(&format!("zh:{OTHER}"))), ..wanted("") };
    let error = find(Says::of(&zip, &key), zip, true, AS_USUAL, cache.path(), wish).await.unwrap_err();
    assert!(matches!(error, InstallError::Mismatch { .. }), "signed, and not what is locked: {error}");
}

#[tokio::test]
async fn a_registry_that_may_not_be_asked() {
    let cache = tempfile::tempdir().unwrap();
    let settings = Settings { methods: vec![(Method::Direct, Scope::default())], ..Settings::default() };
    let address = "registry.terraform.io/acme/x".parse().unwrap();
    let error = Installation::new(settings, cache.path()).find(&Wanted { address, ..wanted("") }).await.unwrap_err();
    assert!(error.to_string().contains("its terms"), "{error}");
}
