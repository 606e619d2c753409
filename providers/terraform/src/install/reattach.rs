//! Providers that a debugger runs, as `TF_REATTACH_PROVIDERS` names them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{InstallError, ProviderAddress};
use crate::config::{Address, Attached};

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Protocol", default)]
    protocol: String,
    #[serde(rename = "ProtocolVersion", default)]
    version: u64,
    #[serde(rename = "Addr")]
    address: Place,
}

#[derive(Deserialize)]
struct Place {
    #[serde(rename = "Network")]
    network: String,
    #[serde(rename = "String")]
    text: String,
}

/// The providers that the value of `TF_REATTACH_PROVIDERS` names.
///
/// # Errors
/// It is not the JSON that debuggers print, or names something that is not spoken here.
pub fn attached(value: &str) -> Result<BTreeMap<ProviderAddress, Attached>, InstallError> {
    let wrong = |what: String| InstallError::Content { path: "TF_REATTACH_PROVIDERS".into(), what };
    let entries: BTreeMap<String, Entry> = serde_json::from_str(value).map_err(|error| wrong(error.to_string()))?;
    let mut attached = BTreeMap::new();
    for (name, entry) in entries {
        if entry.protocol != "grpc" {
            return Err(wrong(format!("`{name}` speaks `{}`, and only `grpc` is spoken here", entry.protocol)));
        }
        let address = match entry.address.network.as_str() {
            "unix" => Address::Unix(entry.address.text.into()),
            "tcp" => Address::Tcp(entry.address.text),
            other => return Err(wrong(format!("`{name}` listens on a network `{other}` that is not known here"))),
        };
        // Where no version is given, it is the older one.
        let protocol = if entry.version == 0 { 5 } else { entry.version };
        attached.insert(name.parse()?, Attached { protocol, address });
    }
    Ok(attached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_debuggers_print() {
        let text = r#"{"local/p/x":{"Protocol":"grpc","ProtocolVersion":6,"Pid":1,"Test":true,"Addr":{"Network":"unix","String":"/tmp/s"}}}"#;
        let all = attached(text).unwrap();
        let (address, attached_to) = all.first_key_value().unwrap();
        assert_eq!(address.name, "x");
        assert_eq!(*attached_to, Attached { protocol: 6, address: Address::Unix("/tmp/s".into()) });
        assert!(attached("{}").unwrap().is_empty());
        assert!(attached("[]").is_err());
    }
}
