//! Durations as people write them: `30s`, `1h 30m`, `30 days`.

use std::time::Duration;

use jiff::{Span as JiffSpan, SpanRelativeTo};

/// Reads a duration; `None` for what is none, is not above zero, or has no fixed length (months).
pub fn parse(text: &str) -> Option<Duration> {
    let span: JiffSpan = text.trim().parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok().filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("30s", 30),
            ("1h 30m", 5400),
            ("1h30m", 5400),
            ("30 days", 2_592_000),
            ("2 weeks", 1_209_600),
            ("PT5M", 300),
        ] {
            assert_eq!(parse(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        for text in ["", "30", "1 month", "-5s", "0s", "soon"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
