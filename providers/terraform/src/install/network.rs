//! Servers that hold providers: network mirrors, and registries.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;

use super::{Hash, InstallError, ProviderAddress, TERRAFORM, Version};

/// How long a server may take to say anything.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The most bytes of a list.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// What is to be fetched.
#[derive(Clone, Debug)]
pub(super) struct Archive {
    pub(super) url: String,
    /// Hashes that the server gives; one must fit where there are any.
    pub(super) hashes: Vec<Hash>,
}

#[derive(Deserialize)]
struct MirrorIndex {
    versions: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct MirrorVersion {
    archives: BTreeMap<String, MirrorArchive>,
}

#[derive(Deserialize)]
struct MirrorArchive {
    url: String,
    #[serde(default)]
    hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Discovery {
    #[serde(rename = "providers.v1")]
    providers: String,
}

#[derive(Deserialize)]
struct RegistryVersions {
    versions: Vec<RegistryVersion>,
}

#[derive(Deserialize)]
struct RegistryVersion {
    version: String,
    #[serde(default)]
    protocols: Vec<String>,
    #[serde(default)]
    platforms: Vec<RegistryPlatform>,
}

#[derive(Deserialize)]
struct RegistryPlatform {
    os: String,
    arch: String,
}

#[derive(Deserialize)]
struct RegistryDownload {
    download_url: String,
    shasum: String,
}

/// A client for servers.
#[derive(Clone, Debug, Default)]
pub(super) struct Network {
    client: reqwest::Client,
}

impl Network {
    /// The versions in a mirror; none when it does not have the provider.
    pub(super) async fn mirrored(&self, base: &str, address: &ProviderAddress) -> Result<Vec<Version>, InstallError> {
        let index: Option<MirrorIndex> = self.get(&format!("{base}{address}/index.json")).await?;
        Ok(index.map(|index| newest(index.versions.keys().map(String::as_str))).unwrap_or_default())
    }

    /// Where a mirror has a version for a platform.
    pub(super) async fn mirrored_archive(
        &self,
        base: &str,
        address: &ProviderAddress,
        version: &Version,
        platform: &str,
    ) -> Result<Option<Archive>, InstallError> {
        let at = format!("{base}{address}/{version}.json");
        let Some(found) = self.get::<MirrorVersion>(&at).await? else { return Ok(None) };
        let Some(archive) = found.archives.get(platform) else { return Ok(None) };
        let hashes = archive.hashes.iter().filter_map(|hash| hash.parse().ok()).collect();
        Ok(Some(Archive { url: join(&at, &archive.url)?, hashes }))
    }

    /// The versions in the registry of a provider, for a platform, whose protocol is spoken here.
    pub(super) async fn registered(
        &self,
        address: &ProviderAddress,
        platform: &str,
    ) -> Result<Vec<Version>, InstallError> {
        let base = self.discover(&address.host).await?;
        let at = format!("{base}{}/{}/versions", address.namespace, address.name);
        let Some(found) = self.get::<RegistryVersions>(&at).await? else { return Ok(Vec::new()) };
        let fits = |version: &&RegistryVersion| {
            let spoken = |protocol: &String| protocol.starts_with("5.") || protocol.starts_with("6.");
            let here = |at: &RegistryPlatform| format!("{}_{}", at.os, at.arch) == platform;
            (version.protocols.is_empty() || version.protocols.iter().any(spoken))
                && (version.platforms.is_empty() || version.platforms.iter().any(here))
        };
        Ok(newest(found.versions.iter().filter(fits).map(|version| version.version.as_str())))
    }

    /// Where a registry has a version for a platform.
    pub(super) async fn registered_archive(
        &self,
        address: &ProviderAddress,
        version: &Version,
        platform: &str,
    ) -> Result<Option<Archive>, InstallError> {
        let base = self.discover(&address.host).await?;
        let place = platform.replacen('_', "/", 1);
        let at = format!("{base}{}/{}/{version}/download/{place}", address.namespace, address.name);
        let Some(found) = self.get::<RegistryDownload>(&at).await? else { return Ok(None) };
        let hash = format!("zh:{}", found.shasum).parse()?;
        Ok(Some(Archive { url: join(&at, &found.download_url)?, hashes: vec![hash] }))
    }

    /// Where a host has its registry.
    async fn discover(&self, host: &str) -> Result<String, InstallError> {
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
        let discovery: Discovery = self.get(&at).await?.ok_or_else(missing)?;
        join(&at, &discovery.providers)
    }

    /// JSON; `None` when there is none.
    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<Option<T>, InstallError> {
        let failed = |what: String| InstallError::Network { url: url.to_owned(), what };
        let answer = self.client.get(url).timeout(ANSWER_WITHIN).send().await;
        let answer = answer.map_err(|error| failed(words(&error)))?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let mut answer = answer.error_for_status().map_err(|error| failed(words(&error)))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(words(&error)))? {
            body.extend_from_slice(&chunk);
            if body.len() > MOST_BYTES {
                return Err(failed("its answer is too long".into()));
            }
        }
        serde_json::from_slice(&body).map(Some).map_err(|error| failed(error.to_string()))
    }

    /// Fetches a file.
    pub(super) async fn fetch(&self, url: &str, to: &Path) -> Result<(), InstallError> {
        let failed = |what: String| InstallError::Network { url: url.to_owned(), what };
        let answer = self.client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|error| failed(words(&error)))?;
        let mut file = tokio::fs::File::create(to).await.map_err(InstallError::file(to))?;
        loop {
            let chunk = tokio::time::timeout(ANSWER_WITHIN, answer.chunk()).await;
            match chunk.map_err(|_| failed("it does not go on".into()))?.map_err(|error| failed(words(&error)))? {
                Some(chunk) => file.write_all(&chunk).await.map_err(InstallError::file(to))?,
                None => break,
            }
        }
        file.sync_all().await.map_err(InstallError::file(to))
    }
}

fn join(base: &str, relative: &str) -> Result<String, InstallError> {
    let joined = reqwest::Url::parse(base).and_then(|base| base.join(relative));
    joined
        .map(String::from)
        .map_err(|error| InstallError::Network { url: relative.to_owned(), what: error.to_string() })
}

fn newest<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<Version> {
    let mut versions: Vec<Version> = texts.filter_map(|text| text.parse().ok()).collect();
    versions.sort();
    versions.reverse();
    versions
}

fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(error) = beneath {
        text = format!("{text}: {error}");
        beneath = error.source();
    }
    text
}
