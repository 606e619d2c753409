//! The names of providers, and of platforms.

use std::fmt;
use std::str::FromStr;

use super::InstallError;

/// The registry that is asked where no other is named.
pub const OPENTOFU: &str = "registry.opentofu.org";
/// Terraform's own registry: a name in mirrors, and never asked.
pub const TERRAFORM: &str = "registry.terraform.io";

/// A provider: `HOST/NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProviderAddress {
    /// The host of its registry.
    pub host: String,
    /// Who makes it.
    pub namespace: String,
    /// Its own name.
    pub name: String,
}

impl ProviderAddress {
    /// The same under the names that mirrors may have it by: a mirror made by Terraform names Terraform's
    /// registry for what OpenTofu's has, too.
    pub fn aliases(&self) -> Vec<ProviderAddress> {
        let mut aliases = vec![self.clone()];
        if self.host == OPENTOFU {
            aliases.push(ProviderAddress { host: TERRAFORM.into(), ..self.clone() });
        }
        aliases
    }
}

impl FromStr for ProviderAddress {
    type Err = InstallError;

    fn from_str(text: &str) -> Result<Self, InstallError> {
        let wrong = || InstallError::Address(text.to_owned());
        let parts: Vec<String> = text.trim().split('/').map(str::to_ascii_lowercase).collect();
        let (host, namespace, name) = match parts.as_slice() {
            [name] => (OPENTOFU, "hashicorp", name.as_str()),
            [namespace, name] => (OPENTOFU, namespace.as_str(), name.as_str()),
            [host, namespace, name] => (host.as_str(), namespace.as_str(), name.as_str()),
            _ => return Err(wrong()),
        };
        let is_name =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        let is_host = |text: &str| {
            !text.is_empty()
                && !text.starts_with('.')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':'))
        };
        if !is_host(host) || !is_name(namespace) || !is_name(name) {
            return Err(wrong());
        }
        Ok(ProviderAddress { host: host.into(), namespace: namespace.into(), name: name.into() })
    }
}

impl fmt::Display for ProviderAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.host, self.namespace, self.name)
    }
}

/// This platform, as providers name it: `linux_amd64`.
pub fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        other => other,
    };
    format!("{system}_{machine}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, full) in [
            ("aws", "registry.opentofu.org/hashicorp/aws"),
            ("Hashicorp/aws", "registry.opentofu.org/hashicorp/aws"),
            ("example.com:8443/a/b-c", "example.com:8443/a/b-c"),
        ] {
            assert_eq!(text.parse::<ProviderAddress>().unwrap().to_string(), full);
        }
        for text in ["", "a/b/c/d", "../x", "a/..", "a b", "../../x"] {
            assert!(text.parse::<ProviderAddress>().is_err(), "{text}");
        }
    }
}
