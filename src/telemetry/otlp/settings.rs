//! What the variables of OpenTelemetry's specification ask for. The rest of them (endpoints, headers, time-outs, limits,
//! sampling) is read by its library.

use crate::telemetry::export::Setting;

/// What is to be sent.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) traces: bool,
    pub(super) metrics: bool,
    /// What cannot be done.
    pub(super) trouble: Vec<String>,
}

pub(super) fn wanted(variable: Setting<'_>) -> Wanted {
    let given = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if given("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Wanted::default();
    }
    let mut trouble = Vec::new();
    let mut signal = |name: &str| {
        let endpoint = format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT");
        if given(&endpoint).or_else(|| given("OTEL_EXPORTER_OTLP_ENDPOINT")).is_none() {
            return false;
        }
        let exporter = format!("OTEL_{name}_EXPORTER");
        match given(&exporter).as_deref() {
            None | Some("otlp") => {}
            Some("none") => return false,
            Some(other) => {
                trouble.push(format!("{exporter}={other}: there are `otlp` and `none`"));
                return false;
            }
        }
        let own = format!("OTEL_EXPORTER_OTLP_{name}_PROTOCOL");
        let general = "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned();
        let protocol = [own, general].into_iter().find_map(|name| Some((given(&name)?, name)));
        match protocol {
            None => true,
            Some((protocol, _)) if protocol == "http/protobuf" => true,
            Some((protocol, name)) => {
                trouble.push(format!("{name}={protocol}: only `http/protobuf` is spoken"));
                false
            }
        }
    };
    let (traces, metrics) = (signal("TRACES"), signal("METRICS"));
    trouble.dedup();
    Wanted { traces, metrics, trouble }
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
        let both = |wanted: Wanted| (wanted.traces, wanted.metrics, wanted.trouble.len());
        assert_eq!(both(of(&[])), (false, false, 0));
        assert_eq!(both(of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])), (false, false, 0));
        assert_eq!(both(of(&[("OTEL_TRACES_EXPORTER", "otlp")])), (false, false, 0));
        assert_eq!(both(of(&[endpoint])), (true, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_SDK_DISABLED", "True")])), (false, false, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_SDK_DISABLED", "1")])), (true, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")])), (false, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_METRICS_EXPORTER", "prometheus")])), (true, false, 1));
        assert_eq!(both(of(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m/x")])), (false, true, 0));
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")])), (false, false, 1));
        let own = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf");
        assert_eq!(both(of(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), own])), (true, false, 1));
    }
}
