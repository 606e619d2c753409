//! What the variables of OpenTelemetry's specification ask for. The rest of them (headers, limits, sampling) is read by its
//! library.

use std::time::Duration;

use crate::telemetry::export::Setting;

/// How a receiver is spoken to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Protocol {
    /// `http/protobuf`
    Http,
    /// `grpc`
    Grpc(Target),
}

/// Where a signal goes by gRPC.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    /// With a scheme: `http` or `https`.
    pub(super) endpoint: String,
    /// How long one delivery may take, further tries included.
    pub(super) timeout: Duration,
    /// The files with what is needed for TLS.
    pub(super) certificates: Certificates,
}

/// Files in PEM form, with the variables that name them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Certificates {
    /// Whom to trust, instead of whom the system trusts.
    pub(super) trusted: Option<(String, String)>,
    /// Who we are.
    pub(super) client: Option<(String, String)>,
    /// The key of who we are.
    pub(super) key: Option<(String, String)>,
}

/// What is to be sent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) traces: Option<Protocol>,
    pub(super) metrics: Option<Protocol>,
    /// What cannot be done.
    pub(super) trouble: Vec<String>,
}

/// How long a delivery may take where nothing is said: the specification's.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn wanted(variable: Setting<'_>) -> Wanted {
    let given = |name: &str| given(variable, name);
    if given("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Wanted::default();
    }
    let mut trouble = Vec::new();
    let mut signal = |signal: &str| {
        let (_, endpoint) = of_signal(variable, signal, "ENDPOINT")?;
        let exporter = format!("OTEL_{signal}_EXPORTER");
        match given(&exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return None,
            Some(other) => {
                trouble.push(format!("{exporter}={other}: there are `otlp` and `none`"));
                return None;
            }
        }
        let grpc = match of_signal(variable, signal, "PROTOCOL") {
            None => false,
            Some((_, protocol)) if protocol == "http/protobuf" => false,
            Some((_, protocol)) if protocol == "grpc" => true,
            Some((name, protocol)) => {
                trouble.push(format!("{name}={protocol}: only `grpc` and `http/protobuf` are spoken"));
                return None;
            }
        };
        if let Some((name, compression)) = of_signal(variable, signal, "COMPRESSION")
            && !["gzip", "none"].contains(&compression.to_ascii_lowercase().as_str())
        {
            trouble.push(format!("{name}={compression}: there are `gzip` and `none`; nothing is compressed"));
        }
        let certificates = Certificates {
            trusted: of_signal(variable, signal, "CERTIFICATE"),
            client: of_signal(variable, signal, "CLIENT_CERTIFICATE"),
            key: of_signal(variable, signal, "CLIENT_KEY"),
        };
        if grpc {
            let secure =
                !of_signal(variable, signal, "INSECURE").is_some_and(|(_, text)| text.eq_ignore_ascii_case("true"));
            let endpoint = with_scheme(endpoint, secure);
            let timeout = of_signal(variable, signal, "TIMEOUT").and_then(|(_, text)| text.parse().ok());
            let timeout = timeout.map_or(TIMEOUT, Duration::from_millis);
            return Some(Protocol::Grpc(Target { endpoint, timeout, certificates }));
        }
        let Certificates { trusted, client, key } = certificates;
        for (name, _) in [trusted, client, key].into_iter().flatten() {
            trouble.push(format!(
                "{name}: only `grpc` takes certificates of its own; over HTTP, those that the system trusts are trusted \
                 (`SSL_CERT_FILE`)"
            ));
        }
        Some(Protocol::Http)
    };
    let (traces, metrics) = (signal("TRACES"), signal("METRICS"));
    let mut told = Vec::new();
    for text in trouble {
        if !told.contains(&text) {
            told.push(text);
        }
    }
    Wanted { traces, metrics, trouble: told }
}

fn given(variable: Setting<'_>, name: &str) -> Option<String> {
    variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// A variable of one signal, or of all of them, with its name.
fn of_signal(variable: Setting<'_>, signal: &str, what: &str) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_{signal}_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().find_map(|name| given(variable, &name).map(|text| (name, text)))
}

/// What is written without a scheme is over TLS, unless it is said otherwise.
fn with_scheme(endpoint: String, secure: bool) -> String {
    match endpoint.split_once("://") {
        Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => endpoint,
        _ if secure => format!("https://{endpoint}"),
        _ => format!("http://{endpoint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Wanted {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        wanted(&find)
    }

    #[test]
    fn nothing_is_sent_unless_an_endpoint_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        let both = |wanted: Wanted| (wanted.traces.is_some(), wanted.metrics.is_some(), wanted.trouble.len());
        assert_eq!(both(of(&[])), (false, false, 0));
        assert_eq!(both(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])), (false, false, 0));
        assert_eq!(both(of(&[("OTEL_TRACES_EXPORTER", "otlp")])), (false, false, 0));
        assert_eq!(both(of(&[endpoint])), (true, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_SDK_DISABLED", "True")])), (false, false, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_SDK_DISABLED", "1")])), (true, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")])), (false, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_METRICS_EXPORTER", "prometheus")])), (true, false, 1));
        assert_eq!(both(of(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/x")])), (false, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")])), (false, false, 1));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"), own])), (true, false, 1));
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd")])), (true, true, 1));
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZip")])), (true, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem")])), (true, true, 1));
    }

    #[test]
    fn a_signal_has_a_protocol_of_its_own() {
        let general = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
        ];
        let trusted = Some(("OTEL_EXPORTER_OTLP_CERTIFICATE".to_owned(), "ca.pem".to_owned()));
        let target = Target {
            endpoint: "http://localhost:4317".to_owned(),
            timeout: Duration::from_millis(1500),
            certificates: Certificates { trusted, ..Certificates::default() },
        };
        let grpc = Some(Protocol::Grpc(target.clone()));
        assert_eq!(of(&general), Wanted { traces: grpc.clone(), metrics: grpc.clone(), trouble: Vec::new() });
        let own = [
            ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "soon"),
            ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "https://m:1"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", " "),
        ];
        let wanted = of(&[&general[..], &own[..]].concat());
        let other = Target { endpoint: "https://m:1".to_owned(), timeout: TIMEOUT, ..target };
        assert_eq!((wanted.traces, wanted.metrics), (Some(Protocol::Http), Some(Protocol::Grpc(other))));
        assert_eq!(wanted.trouble.len(), 1, "{:?}", wanted.trouble);
    }

    #[test]
    fn without_a_scheme_it_is_tls_unless_said_otherwise() {
        let endpoint = |text: &str, insecure: &str| {
            let wanted = of(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", text),
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
            ]);
            match wanted.traces {
                Some(Protocol::Grpc(target)) => target.endpoint,
                other => format!("{other:?}"),
            }
        };
        assert_eq!(endpoint("collector:4317", ""), "https://collector:4317");
        assert_eq!(endpoint("collector:4317", "TRUE"), "http://collector:4317");
        assert_eq!(endpoint("https://collector:4317", "true"), "https://collector:4317");
        assert_eq!(endpoint("http://collector:4317", "false"), "http://collector:4317");
        assert_eq!(endpoint("collector:4317/a://b", "true"), "http://collector:4317/a://b");
    }
}
