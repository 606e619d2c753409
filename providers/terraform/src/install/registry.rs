//! Registries of providers, by the protocol that Terraform's and OpenTofu's have in common.

use std::path::Path;
use std::time::SystemTime;

use serde::Deserialize;

use super::network::{Archive, Network, join, newest};
use super::signature::{self, Verdict};
use super::{Hash, InstallError, OPENTOFU, ProviderAddress, Settings, TERRAFORM, Trust, Version};

/// The most bytes of a list of sums, or of a signature.
const MOST_BYTES: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Discovery {
    #[serde(rename = "providers.v1")]
    providers: String,
}

#[derive(Deserialize)]
struct Versions {
    versions: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    version: String,
    #[serde(default)]
    protocols: Vec<String>,
    #[serde(default)]
    platforms: Vec<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    arch: String,
}

#[derive(Deserialize)]
struct Download {
    filename: String,
    download_url: String,
    shasum: String,
    shasums_url: String,
    shasums_signature_url: String,
    #[serde(default)]
    signing_keys: SigningKeys,
}

#[derive(Default, Deserialize)]
struct SigningKeys {
    #[serde(default)]
    gpg_public_keys: Vec<PublicKey>,
}

#[derive(Deserialize)]
struct PublicKey {
    ascii_armor: String,
}

/// Where registries are, and how much they are trusted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Registry<'s> {
    pub(super) network: &'s Network,
    pub(super) settings: &'s Settings,
    pub(super) trust: Trust,
}

impl Registry<'_> {
    /// The versions of a provider, for a platform, whose protocol is spoken here.
    pub(super) async fn versions(
        &self,
        address: &ProviderAddress,
        platform: &str,
    ) -> Result<Vec<Version>, InstallError> {
        let base = self.discover(&address.host).await?;
        let at = format!("{base}{}/{}/versions", address.namespace, address.name);
        let Some(found) = self.network.get::<Versions>(&at).await? else { return Ok(Vec::new()) };
        let fits = |version: &&Listed| {
            let spoken = |protocol: &String| protocol.starts_with("5.") || protocol.starts_with("6.");
            let here = |at: &Platform| format!("{}_{}", at.os, at.arch) == platform;
            (version.protocols.is_empty() || version.protocols.iter().any(spoken))
                && (version.platforms.is_empty() || version.platforms.iter().any(here))
        };
        Ok(newest(found.versions.iter().filter(fits).map(|version| version.version.as_str())))
    }

    /// Where there is a version for a platform, once the sums of its archives are known to be its maker's.
    pub(super) async fn archive(
        &self,
        address: &ProviderAddress,
        version: &Version,
        platform: &str,
    ) -> Result<Option<Archive>, InstallError> {
        let base = self.discover(&address.host).await?;
        let place = platform.replacen('_', "/", 1);
        let at = format!("{base}{}/{}/{version}/download/{place}", address.namespace, address.name);
        let Some(found) = self.network.get::<Download>(&at).await? else { return Ok(None) };
        let hash: Hash = format!("zh:{}", found.shasum).parse()?;
        let sums = self.network.get_bytes(&join(&at, &found.shasums_url)?, MOST_BYTES).await?;
        let signature = self.network.get_bytes(&join(&at, &found.shasums_signature_url)?, MOST_BYTES).await?;
        let refused =
            |what: String| InstallError::Signature { address: address.clone(), version: version.clone(), what };
        let listed = listed(&sums, &found.filename).ok_or_else(|| {
            refused(format!("the sums that its registry gives do not name `{}`", shortened(&found.filename)))
        })?;
        if listed != hash {
            return Err(refused(
                "the sums that its registry gives are of another archive than the one that it names".into(),
            ));
        }
        let keys: Vec<String> = found.signing_keys.gpg_public_keys.into_iter().map(|key| key.ascii_armor).collect();
        let warning = self.judge(address, version, &sums, &signature, &keys).map_err(refused)?;
        let url = join(&at, &found.download_url)?;
        Ok(Some(Archive { url, hashes: vec![hash], others: all(&sums), warnings: warning.into_iter().collect() }))
    }

    /// Whether sums are to be believed; a warning where they are without proof.
    ///
    /// OpenTofu's own registry may know no key for a provider, and is then believed by its certificate alone, which
    /// `OPENTOFU_ENFORCE_GPG_VALIDATION=true` forbids. Any other registry gives keys. A key that has expired counts,
    /// unless `OPENTOFU_ENFORCE_GPG_EXPIRATION=true`.
    fn judge(
        &self,
        address: &ProviderAddress,
        version: &Version,
        sums: &[u8],
        signature: &[u8],
        keys: &[String],
    ) -> Result<Option<String>, String> {
        if keys.is_empty() && address.host == OPENTOFU && !self.trust.keys_needed {
            return Ok(Some(format!(
                "nobody vouches for `{address}` {version}: its registry gives no key that it is signed with"
            )));
        }
        match signature::verify(sums, signature, keys, SystemTime::now())? {
            Verdict::Signed(id) => {
                tracing::debug!(%address, %version, key = id, "signed");
                Ok(None)
            }
            Verdict::Expired(id) if self.trust.expired_refused => {
                Err(format!("it is signed with the key {id}, which has expired"))
            }
            Verdict::Expired(id) => {
                Ok(Some(format!("`{address}` {version} is signed with the key {id}, which has expired")))
            }
        }
    }

    /// Where a host has its registry.
    async fn discover(&self, host: &str) -> Result<String, InstallError> {
        if let Some(base) = self.settings.hosts.get(host) {
            return Ok(base.clone());
        }
        if host == TERRAFORM {
            return Err(InstallError::Network {
                url: format!("https://{host}"),
                what: "its terms allow downloads to Terraform alone; use OpenTofu's registry or a mirror".into(),
            });
        }
        // A host with a port on this machine is one of a test or of a developer.
        let scheme = if host.starts_with("127.0.0.1:") || host.starts_with("localhost:") { "http" } else { "https" };
        let at = format!("{scheme}://{host}/.well-known/terraform.json");
        let missing = || InstallError::Network { url: at.clone(), what: "it is no registry of providers".into() };
        let discovery: Discovery = self.network.get(&at).await?.ok_or_else(missing)?;
        join(&at, &discovery.providers)
    }
}

/// Lines of sums with the names of files.
fn lines(sums: &[u8]) -> impl Iterator<Item = (Hash, String)> {
    let text = String::from_utf8_lossy(sums).into_owned();
    let parsed: Vec<(Hash, String)> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.split_ascii_whitespace();
            Some((format!("zh:{}", parts.next()?).parse().ok()?, parts.next()?.to_owned()))
        })
        .collect();
    parsed.into_iter()
}

fn listed(sums: &[u8], file: &str) -> Option<Hash> {
    lines(sums).find(|(_, name)| name == file).map(|(hash, _)| hash)
}

/// Those of archives, for any platform: they belong into the lock file, which other machines share.
fn all(sums: &[u8]) -> Vec<Hash> {
    let is_archive = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "zip");
    lines(sums).filter(|(_, name)| is_archive(name)).map(|(hash, _)| hash).collect()
}

fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(120).collect()
}
