//! Points at which a test may end the process as a power cut would: at once, with nothing tidied up.
//!
//! A point is compiled in only under the feature `crash-points`; otherwise the macro is nothing.
//! Two variables steer it:
//! - `RETRUE_CRASH_AT=NAME:N` aborts the process when it passes the point NAME for the Nth time
//!   (`NAME` alone means the first time);
//! - `RETRUE_CRASH_LOG=FILE` appends the name of every point that is passed, one a line.

/// Marks a point at which a test may abort the process. See [`crate::crash`].
#[macro_export]
macro_rules! crash_point {
    ($name:expr) => {{
        #[cfg(feature = "crash-points")]
        $crate::crash::pass($name);
    }};
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::collections::HashMap;
    use std::io::Write as _;
    use std::sync::{Mutex, OnceLock, PoisonError};

    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);
    static TARGET: OnceLock<Option<(String, u64)>> = OnceLock::new();

    /// Counts a passing of the point `name`, and aborts the process when it is the one asked for.
    pub fn pass(name: &str) {
        let mut guard = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        let count = guard.get_or_insert_default().entry(name.to_owned()).or_insert(0);
        *count += 1;
        log(name);
        let target = TARGET.get_or_init(|| std::env::var("RETRUE_CRASH_AT").ok().and_then(|text| parse(&text)));
        if target.as_ref().is_some_and(|(wanted, nth)| wanted == name && nth == count) {
            std::process::abort();
        }
    }

    /// Appends in one write, so that lines of several processes never mix. A log that cannot be
    /// written must not change what is being tested, so the error is dropped.
    fn log(name: &str) {
        if let Some(path) = std::env::var_os("RETRUE_CRASH_LOG")
            && let Ok(mut file) = fs_err::OpenOptions::new().create(true).append(true).open(&path)
        {
            let _ = file.write_all(format!("{name}\n").as_bytes());
        }
    }

    pub(super) fn parse(text: &str) -> Option<(String, u64)> {
        match text.rsplit_once(':').and_then(|(name, nth)| Some((name, nth.parse().ok()?))) {
            Some((name, nth)) => Some((name.to_owned(), nth)),
            None if text.is_empty() => None,
            None => Some((text.to_owned(), 1)),
        }
    }
}

#[cfg(feature = "crash-points")]
pub use armed::pass;

#[cfg(all(test, feature = "crash-points"))]
mod tests {
    #[test]
    fn the_target_names_a_point_and_a_passing() {
        let parse = super::armed::parse;
        assert_eq!(parse("store.mirror.synced:3"), Some(("store.mirror.synced".to_owned(), 3)));
        assert_eq!(parse("store.mirror.synced"), Some(("store.mirror.synced".to_owned(), 1)));
        assert_eq!(parse(""), None);
    }
}
