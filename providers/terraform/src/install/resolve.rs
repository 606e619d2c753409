//! From a wish to a program that may be run.

use std::path::{Path, PathBuf};

use super::mirror::{Place, program_in, versions};
use super::network::{Archive, Network};
use super::registry::Registry;
use super::{
    Constraints, Hash, InstallError, LockedProvider, Method, ProviderAddress, Settings, Version, archive, hash_archive,
    known_hash, platform,
};

/// Where providers are looked for, and where they are kept.
#[derive(Clone, Debug)]
pub struct Installation {
    /// Terraform's settings.
    pub settings: Settings,
    /// A directory of our own, in the layout of an unpacked mirror.
    pub cache: PathBuf,
    /// For this platform: `linux_amd64`.
    pub platform: String,
    /// How much registries are trusted.
    pub trust: Trust,
    network: Network,
}

/// How much registries are trusted, beyond what is always asked of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// What OpenTofu's registry has no key for is refused, too.
    pub keys_needed: bool,
    /// What is signed with a key that has expired is refused, too.
    pub expired_refused: bool,
}

impl Trust {
    /// As OpenTofu's variables say. `variable` looks up the environment.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_set = |name: &str| variable(name).is_some_and(|value| value == "true");
        Trust {
            keys_needed: is_set("OPENTOFU_ENFORCE_GPG_VALIDATION"),
            expired_refused: is_set("OPENTOFU_ENFORCE_GPG_EXPIRATION"),
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The provider.
    pub address: ProviderAddress,
    /// The versions that will do.
    pub constraints: Constraints,
    /// What the lock file says, unless it shall be chosen anew.
    pub locked: Option<LockedProvider>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The program to be run.
    pub program: PathBuf,
    /// Its version; `None` for an override.
    pub version: Option<Version>,
    /// What belongs into the lock file: what was there, and what was computed. Empty for an override.
    pub hashes: Vec<Hash>,
    /// The `h1:` hash of itself, computed or known from before; `None` for an override.
    pub content: Option<Hash>,
    /// What a person should know about it.
    pub warnings: Vec<String>,
}

/// A version that can be had, and from where.
#[derive(Clone, Debug)]
enum Source {
    Place(Place),
    Mirror(String, ProviderAddress),
    Registry,
}

impl Installation {
    /// With these settings, keeping what is unpacked in `cache`, for this machine.
    pub fn new(settings: Settings, cache: impl Into<PathBuf>) -> Self {
        Installation {
            settings,
            cache: cache.into(),
            platform: platform(),
            trust: Trust::default(),
            network: Network::default(),
        }
    }

    /// The same, trusting registries so much.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Installation { trust, ..self }
    }

    /// Finds, fetches and checks a provider.
    ///
    /// What is locked is taken from the cache without a look at anything else.
    ///
    /// # Errors
    /// There is none that fits, it is not the one that is locked, or it cannot be had.
    pub async fn find(&self, wanted: &Wanted) -> Result<Installed, InstallError> {
        let address = &wanted.address;
        let overridden = address.aliases().into_iter().find_map(|alias| self.settings.overrides.get(&alias));
        if let Some(directory) = overridden {
            let program = program_in(directory, &address.name)?;
            return Ok(Installed { program, version: None, hashes: Vec::new(), content: None, warnings: Vec::new() });
        }
        let locked = self.locked_version(wanted)?;
        let kept = |version: &Version| {
            self.cache
                .join(&address.host)
                .join(&address.namespace)
                .join(&address.name)
                .join(version.to_string())
                .join(&self.platform)
        };
        if let Some(version) = &locked {
            let directory = kept(version);
            if directory.is_dir()
                && let Ok(installed) = self.use_directory(wanted, version, &directory)
            {
                return Ok(installed);
            }
        }
        let found = self.available(address).await?;
        let fits = |version: &Version| match &locked {
            Some(locked) => version == locked,
            None => wanted.constraints.allow(version),
        };
        let best = found.iter().filter(|(version, _)| fits(version)).map(|(version, _)| version).max();
        // Of those that have it, the first in the order of the settings.
        let chosen = best.and_then(|best| found.iter().find(|(version, _)| version == best));
        let Some((version, source)) = chosen else {
            let mut versions: Vec<Version> = found.into_iter().map(|(version, _)| version).collect();
            versions.sort();
            versions.dedup();
            versions.reverse();
            return Err(InstallError::NoVersion {
                address: address.clone(),
                platform: self.platform.clone(),
                wanted: locked.map_or_else(|| wanted.constraints.to_string(), |locked| locked.to_string()),
                versions,
            });
        };
        let directory = kept(version);
        match source {
            Source::Place(Place::Unpacked(path)) => self.use_directory(wanted, version, path),
            Source::Place(Place::Packed(path)) => self.unpack(wanted, version, path, &[], &directory),
            Source::Mirror(base, alias) => {
                let archive = self.network.mirrored_archive(base, alias, version, &self.platform).await?;
                self.fetch(wanted, version, archive, &directory).await
            }
            Source::Registry => {
                let archive = self.registry().archive(address, version, &self.platform).await?;
                self.fetch(wanted, version, archive, &directory).await
            }
        }
    }

    /// All versions that can be had, in the order of the settings.
    async fn available(&self, address: &ProviderAddress) -> Result<Vec<(Version, Source)>, InstallError> {
        let mut found = Vec::new();
        let mut refused = None;
        let caches = self.settings.cache.iter().map(|path| (Method::Filesystem(path.clone()), Default::default()));
        for (method, scope) in caches.chain(self.settings.methods.iter().cloned()) {
            for alias in address.aliases().into_iter().filter(|alias| scope.holds(alias)) {
                let more: Result<Vec<(Version, Source)>, InstallError> = match &method {
                    Method::Filesystem(root) => versions(root, &alias, &self.platform)
                        .map(|versions| versions.into_iter().map(|(v, place)| (v, Source::Place(place))).collect()),
                    Method::Network(base) => self.network.mirrored(base, &alias).await.map(|versions| {
                        versions.into_iter().map(|v| (v, Source::Mirror(base.clone(), alias.clone()))).collect()
                    }),
                    Method::Direct if alias == *address && found.is_empty() => self
                        .registry()
                        .versions(address, &self.platform)
                        .await
                        .map(|versions| versions.into_iter().map(|v| (v, Source::Registry)).collect()),
                    Method::Direct => Ok(Vec::new()),
                };
                match more {
                    Ok(more) => found.extend(more),
                    // A server that is out of reach matters only where nothing else has it.
                    Err(error @ InstallError::Network { .. }) => refused = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
        match refused {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    fn registry(&self) -> Registry<'_> {
        Registry { network: &self.network, settings: &self.settings, trust: self.trust }
    }

    fn locked_version(&self, wanted: &Wanted) -> Result<Option<Version>, InstallError> {
        let Some(locked) = &wanted.locked else { return Ok(None) };
        let version: Version = locked.version.parse()?;
        let address = wanted.address.clone();
        if !wanted.constraints.hold(&version) {
            return Err(InstallError::Locked { address, version, wanted: wanted.constraints.to_string() });
        }
        if locked.hashes.is_empty() {
            return Err(InstallError::NoHash { address, version });
        }
        Ok(Some(version))
    }

    fn use_directory(&self, wanted: &Wanted, version: &Version, path: &Path) -> Result<Installed, InstallError> {
        let program = program_in(path, &wanted.address.name)?;
        let hashes = vec![known_hash(&self.cache, path)?];
        self.checked(wanted, version, path.display().to_string(), hashes, program)
    }

    fn unpack(
        &self,
        wanted: &Wanted,
        version: &Version,
        path: &Path,
        given: &[Hash],
        to: &Path,
    ) -> Result<Installed, InstallError> {
        let hashes = hash_archive(path)?.to_vec();
        if !given.is_empty() && !given.iter().any(|hash| hashes.contains(hash)) {
            return Err(self.mismatch(wanted, version, path.display().to_string(), hashes));
        }
        // Checked before anything of it is unpacked.
        let checked = self.checked(wanted, version, path.display().to_string(), hashes, PathBuf::new())?;
        if to.is_dir() && known_hash(&self.cache, to).ok().is_none_or(|hash| !checked.hashes.contains(&hash)) {
            fs_err::remove_dir_all(to).map_err(InstallError::file(to))?;
        }
        if !to.is_dir() {
            archive::unpack(path, to)?;
        }
        Ok(Installed { program: program_in(to, &wanted.address.name)?, ..checked })
    }

    async fn fetch(
        &self,
        wanted: &Wanted,
        version: &Version,
        archive: Option<Archive>,
        to: &Path,
    ) -> Result<Installed, InstallError> {
        let Some(archive) = archive else {
            return Err(InstallError::NoVersion {
                address: wanted.address.clone(),
                platform: self.platform.clone(),
                wanted: version.to_string(),
                versions: Vec::new(),
            });
        };
        fs_err::create_dir_all(&self.cache).map_err(InstallError::file(&self.cache))?;
        let scratch = tempfile::tempdir_in(&self.cache).map_err(InstallError::file(&self.cache))?;
        let path = scratch.path().join("provider.zip");
        self.network.fetch(&archive.url, &path).await?;
        let mut installed = self.unpack(wanted, version, &path, &archive.hashes, to)?;
        installed.hashes.extend(archive.others);
        installed.hashes.sort();
        installed.hashes.dedup();
        Ok(Installed { warnings: archive.warnings, ..installed })
    }

    /// Holds what was computed against the lock file.
    fn checked(
        &self,
        wanted: &Wanted,
        version: &Version,
        place: String,
        hashes: Vec<Hash>,
        program: PathBuf,
    ) -> Result<Installed, InstallError> {
        let mut known = hashes.clone();
        if let Some(locked) = &wanted.locked {
            if !hashes.iter().any(|hash| locked.hashes.contains(hash)) {
                return Err(self.mismatch(wanted, version, place, hashes));
            }
            known.extend(locked.hashes.iter().cloned());
        }
        known.sort();
        known.dedup();
        let content = hashes.into_iter().find(Hash::is_content);
        Ok(Installed { program, version: Some(version.clone()), hashes: known, content, warnings: Vec::new() })
    }

    fn mismatch(&self, wanted: &Wanted, version: &Version, place: String, hashes: Vec<Hash>) -> InstallError {
        InstallError::Mismatch { address: wanted.address.clone(), version: version.clone(), place, hashes }
    }
}
