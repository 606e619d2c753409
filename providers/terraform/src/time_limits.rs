//! How long calls may take: longer than the providers' own limits.

use std::time::Duration;

use retrue_provider_api::{TimeLimits, Value};

/// For a change whose provider does not say: longer than anything that is known to succeed.
const CHANGE: Duration = Duration::from_secs(3 * 60 * 60);
/// For a read.
const READ: Duration = Duration::from_secs(20 * 60);
/// How much longer than the provider's own limit we wait.
const LONGER: Duration = Duration::from_secs(10 * 60);

/// The limits for an object of a configuration, from its block `timeouts` where it has one.
pub(crate) fn of(config: &Value) -> TimeLimits {
    let set = |name: &str| {
        let text = config.get("timeouts").and_then(|timeouts| timeouts.get(name)).and_then(Value::as_str);
        text.and_then(duration).map(|own| own.saturating_add(LONGER))
    };
    TimeLimits {
        create: set("create").map_or(CHANGE, |own| own.max(CHANGE)),
        read: set("read").map_or(READ, |own| own.max(READ)),
        update: set("update").map_or(CHANGE, |own| own.max(CHANGE)),
        delete: set("delete").map_or(CHANGE, |own| own.max(CHANGE)),
    }
}

/// A duration as Go writes it: `1h30m`, `90s`, `1.5h`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0f64;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit() && character != '.')?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit = after.find(|character: char| character.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let factor = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            "us" | "µs" => 0.000_001,
            "ns" => 0.000_000_001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_never_shorter_than_the_providers_own() {
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(duration("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(duration("x"), None);
        let config = Value::object([("timeouts", Value::object([("create", Value::from("10h"))]))]);
        assert_eq!(of(&config).create, Duration::from_secs(10 * 3600 + 600));
        assert_eq!(of(&config).delete, CHANGE);
    }
}
