//! Servers that hold providers: network mirrors, and what registries need of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;

use super::{Hash, InstallError, ProviderAddress, Version};

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
    /// Those of its archives for other platforms, where somebody vouches for them.
    pub(super) others: Vec<Hash>,
    /// What a person should know about it.
    pub(super) warnings: Vec<String>,
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
        Ok(Some(Archive { url: join(&at, &archive.url)?, hashes, others: Vec::new(), warnings: Vec::new() }))
    }

    /// JSON; `None` when there is none.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<Option<T>, InstallError> {
        let Some(body) = self.body(url, MOST_BYTES).await? else { return Ok(None) };
        serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| InstallError::Network { url: url.to_owned(), what: error.to_string() })
    }

    /// Bytes that must be there.
    pub(super) async fn get_bytes(&self, url: &str, most: usize) -> Result<Vec<u8>, InstallError> {
        let missing = || InstallError::Network { url: url.to_owned(), what: "there is no such file".into() };
        self.body(url, most).await?.ok_or_else(missing)
    }

    async fn body(&self, url: &str, most: usize) -> Result<Option<Vec<u8>>, InstallError> {
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
            if body.len() > most {
                return Err(failed("its answer is too long".into()));
            }
        }
        Ok(Some(body))
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

/// A URL relative to another.
pub(super) fn join(base: &str, relative: &str) -> Result<String, InstallError> {
    let joined = reqwest::Url::parse(base).and_then(|base| base.join(relative));
    joined
        .map(String::from)
        .map_err(|error| InstallError::Network { url: relative.to_owned(), what: error.to_string() })
}

/// Versions, newest first; what is none is left out.
pub(super) fn newest<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<Version> {
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
