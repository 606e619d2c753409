//! The line with which a plugin says where it listens.

use std::path::PathBuf;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::config::Address;
use crate::wire::Protocol;

/// The variable and the value without which a provider refuses to run.
pub(super) const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");
/// The variable and the value that say which protocols are spoken here.
pub(super) const VERSIONS: (&str, &str) = ("PLUGIN_PROTOCOL_VERSIONS", "5,6");

/// The certificate comes without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a plugin said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Handshake {
    pub(super) protocol: Protocol,
    pub(super) address: Address,
    /// The certificate of its side, as DER; `None` where it does not encrypt.
    pub(super) certificate: Option<Vec<u8>>,
}

/// Reads `1|5|unix|PATH|grpc|CERTIFICATE`.
///
/// A plugin that knows none of the offered versions answers with another one: both are checked here.
///
/// # Errors
/// What is wrong with the line, for people.
pub(super) fn parse(line: &str) -> Result<Handshake, String> {
    let line = line.trim();
    let fields: Vec<&str> = line.split('|').collect();
    let [core, version, network, address, wire, rest @ ..] = fields.as_slice() else {
        return Err(format!("the first line that it wrote is no handshake of a plugin: `{}`", shortened(line)));
    };
    if *core != "1" {
        return Err(format!("it speaks version `{}` of the handshake, and this program speaks 1", shortened(core)));
    }
    let number = version.parse().unwrap_or(0);
    let Some(protocol) = Protocol::of(number).filter(|_| *wire == "grpc") else {
        return Err(format!(
            "it speaks version {} of the plugin protocol over {}, and this program speaks 5 and 6 over grpc",
            shortened(version),
            shortened(wire)
        ));
    };
    let address = match *network {
        "unix" => Address::Unix(PathBuf::from(address)),
        "tcp" => Address::Tcp((*address).to_owned()),
        other => return Err(format!("it listens on a network `{}` that is not known here", shortened(other))),
    };
    let certificate = match rest.first().copied().unwrap_or_default() {
        "" => None,
        text => Some(BASE64.decode(text).map_err(|error| format!("its certificate is not base64: {error}"))?),
    };
    Ok(Handshake { protocol, address, certificate })
}

fn shortened(text: &str) -> String {
    let clean = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    match text.char_indices().nth(120) {
        Some((end, _)) => text.get(..end).unwrap_or_default().chars().map(clean).chain("…".chars()).collect(),
        None => text.chars().map(clean).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_plugins() {
        let shake = parse("1|5|unix|/tmp/p|grpc|AQID\n").unwrap();
        assert_eq!(shake.protocol, Protocol::Five);
        assert_eq!(shake.address, Address::Unix("/tmp/p".into()));
        assert_eq!(shake.certificate, Some(vec![1, 2, 3]));
        assert_eq!(parse("1|6|tcp|127.0.0.1:5|grpc|AQ|true").unwrap().certificate, Some(vec![1]));
        assert_eq!(parse("1|6|tcp|127.0.0.1:5|grpc").unwrap().certificate, None);
    }

    #[test]
    fn what_is_refused() {
        for (line, part) in [
            ("hello", "no handshake"),
            ("", "no handshake"),
            ("2|5|unix|/p|grpc|", "version `2`"),
            ("1|4|unix|/p|netrpc|", "version 4 of the plugin protocol over netrpc"),
            ("1|7|unix|/p|grpc|", "version 7"),
            ("1|5|pipe|/p|grpc|", "network `pipe`"),
            ("1|5|unix|/p|grpc|*", "base64"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
