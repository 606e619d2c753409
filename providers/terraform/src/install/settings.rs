//! Terraform's own settings, as far as they say where providers are: `.terraformrc`.

mod syntax;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::{InstallError, ProviderAddress};
use syntax::Node;

/// Where to look for providers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The ways to get one, in their order.
    pub methods: Vec<(Method, Scope)>,
    /// Directories with programs that are used without further questions.
    pub overrides: BTreeMap<ProviderAddress, PathBuf>,
    /// A directory that programs share.
    pub cache: Option<PathBuf>,
    /// Where hosts have their registries of providers, for those that are not to be asked: URLs that end with `/`.
    pub hosts: BTreeMap<String, String>,
}

/// One way to get a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// From a directory.
    Filesystem(PathBuf),
    /// From a server that mirrors registries: its URL, which ends with `/`.
    Network(String),
    /// From the registry that the provider's address names.
    Direct,
}

/// Which providers a way is for: patterns of addresses, with `*` for any part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Only these; all when empty.
    pub include: Vec<String>,
    /// Not these.
    pub exclude: Vec<String>,
}

impl Scope {
    /// Whether a provider is in it.
    pub fn holds(&self, address: &ProviderAddress) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, address));
        (self.include.is_empty() || any(&self.include)) && !any(&self.exclude)
    }
}

fn fits(pattern: &str, address: &ProviderAddress) -> bool {
    let parts: Vec<&str> = pattern.split('/').collect();
    let same = |pattern: &str, part: &str| pattern == "*" || pattern.eq_ignore_ascii_case(part);
    match parts.as_slice() {
        [host, namespace, name] => {
            same(host, &address.host) && same(namespace, &address.namespace) && same(name, &address.name)
        }
        // A pattern without a host means the registry of whoever wrote it.
        [namespace, name] => {
            matches!(address.host.as_str(), super::OPENTOFU | super::TERRAFORM)
                && same(namespace, &address.namespace)
                && same(name, &address.name)
        }
        _ => false,
    }
}

impl Settings {
    /// Reads the settings that are in force. `variable` looks up the environment.
    ///
    /// # Errors
    /// A file that is named cannot be read, or cannot be understood.
    pub fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, InstallError> {
        let home = variable("HOME").map(PathBuf::from);
        let named =
            ["TF_CLI_CONFIG_FILE", "TOFU_CLI_CONFIG_FILE", "TERRAFORM_CONFIG"].iter().find_map(|name| variable(name));
        let file = match (named, &home) {
            (Some(file), _) => Some(PathBuf::from(file)),
            (None, Some(home)) => {
                [".tofurc", ".terraformrc"].iter().map(|name| home.join(name)).find(|path| path.exists())
            }
            (None, None) => None,
        };
        let mut settings = match &file {
            Some(path) => {
                let text = fs::read_to_string(path).map_err(InstallError::file(path))?;
                Self::parse(path, &text, home.as_deref())?
            }
            None => None,
        }
        .unwrap_or_else(|| Self::implied(home.as_deref()));
        if let Some(cache) = variable("TF_PLUGIN_CACHE_DIR") {
            settings.cache = Some(cache.into());
        }
        Ok(settings)
    }

    /// What is in force where nothing is said: the directories that Terraform looks into, then registries.
    pub fn implied(home: Option<&Path>) -> Self {
        let mut directories = vec![PathBuf::from("terraform.d/plugins")];
        if let Some(home) = home {
            directories.push(home.join(".terraform.d/plugins"));
            directories.push(home.join(".local/share/terraform/plugins"));
        }
        directories.extend(["/usr/local/share/terraform/plugins".into(), "/usr/share/terraform/plugins".into()]);
        let mut methods: Vec<(Method, Scope)> =
            directories.into_iter().map(|path| (Method::Filesystem(path), Scope::default())).collect();
        methods.push((Method::Direct, Scope::default()));
        Settings { methods, ..Settings::default() }
    }

    /// Reads one file.
    fn parse(path: &Path, text: &str, home: Option<&Path>) -> Result<Option<Self>, InstallError> {
        let content = |what: String| InstallError::Content { path: path.to_owned(), what };
        let entries = syntax::parse(text).map_err(content)?;
        let expand = |text: &str| match (text.strip_prefix("~/").or_else(|| text.strip_prefix("$HOME/")), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(text),
        };
        let mut settings = Settings::default();
        let mut said = false;
        for (name, node) in &entries {
            match (name.as_str(), node) {
                ("plugin_cache_dir", Node::Text(path)) => settings.cache = Some(expand(path)),
                ("provider_installation", Node::Block(ways)) => {
                    said = true;
                    for (way, node) in ways {
                        let Node::Block(inner) = node else {
                            return Err(content(format!("`{way}` in provider_installation is a block")));
                        };
                        if way == "dev_overrides" {
                            for (address, directory) in inner {
                                let Node::Text(directory) = directory else {
                                    return Err(content(format!("the directory of `{address}` is text")));
                                };
                                settings.overrides.insert(address.parse()?, expand(directory));
                            }
                            continue;
                        }
                        let text = |key: &str| match syntax::last(inner, key) {
                            Some(Node::Text(text)) => Ok(text.clone()),
                            _ => Err(content(format!("`{way}` needs `{key}`"))),
                        };
                        let list = |key: &str| match syntax::last(inner, key) {
                            Some(Node::List(items)) => items.clone(),
                            _ => Vec::new(),
                        };
                        let method = match way.as_str() {
                            "filesystem_mirror" => Method::Filesystem(expand(&text("path")?)),
                            "network_mirror" => {
                                let url = text("url")?;
                                Method::Network(if url.ends_with('/') { url } else { format!("{url}/") })
                            }
                            "direct" => Method::Direct,
                            other => return Err(content(format!("`{other}` is no way to install providers"))),
                        };
                        let scope = Scope { include: list("include"), exclude: list("exclude") };
                        settings.methods.push((method, scope));
                    }
                }
                ("host", Node::Named(host, inner)) => {
                    let Some(Node::Block(services)) = syntax::last(inner, "services") else { continue };
                    if let Some(Node::Text(url)) = syntax::last(services, "providers.v1") {
                        let url = if url.ends_with('/') { url.clone() } else { format!("{url}/") };
                        settings.hosts.insert(host.to_ascii_lowercase(), url);
                    }
                }
                _ => {}
            }
        }
        if !said {
            settings.methods = Self::implied(home).methods;
        }
        Ok(Some(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_everything() {
        let text = r#"
            # comment
            plugin_cache_dir = "$HOME/cache" // another
            disable_checkpoint = true
            credentials "example.com" { token = "secret" }
            host "Example.com" { services = { "modules.v1" = "https://m/", "providers.v1" = "http://127.0.0.1:1/v1" } }
            provider_installation {
              dev_overrides { "local/providers/pyvider" = "/opt/pyv" }
              filesystem_mirror {
                path    = "/opt/mirror"
                include = ["*/*/*"]
              }
              network_mirror { url = "https://example.com/providers" exclude = ["hashicorp/aws", "a/b"] }
              direct {}
            }
        "#;
        let settings = Settings::parse(Path::new("x"), text, Some(Path::new("/home/u"))).unwrap().unwrap();
        assert_eq!(settings.cache, Some("/home/u/cache".into()));
        assert_eq!(settings.overrides.values().next(), Some(&PathBuf::from("/opt/pyv")));
        let methods: Vec<_> = settings.methods.iter().map(|(method, _)| method.clone()).collect();
        assert_eq!(
            methods,
            [
                Method::Filesystem("/opt/mirror".into()),
                Method::Network("https://example.com/providers/".into()),
                Method::Direct,
            ]
        );
        assert_eq!(settings.hosts, [("example.com".into(), "http://127.0.0.1:1/v1/".into())].into());
        let aws = "hashicorp/aws".parse().unwrap();
        assert_eq!(
            settings.methods.iter().map(|(_, scope)| scope.holds(&aws)).collect::<Vec<_>>(),
            [true, false, true]
        );
        for wrong in ["provider_installation {", "a = ", "provider_installation { magic {} }", "x = \"a"] {
            assert!(Settings::parse(Path::new("x"), wrong, None).is_err(), "{wrong}");
        }
    }
}
