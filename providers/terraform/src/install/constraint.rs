//! Versions, and constraints on them in Terraform's form: `>= 1.2, != 1.5.0, ~> 1.3`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::InstallError;

/// A version: `1.2.3` or `1.2.3-beta.1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    numbers: [u64; 3],
    /// What stands behind `-`; empty for a release.
    before: String,
}

impl Version {
    /// Whether it comes before a release.
    pub fn is_prerelease(&self) -> bool {
        !self.before.is_empty()
    }
}

impl FromStr for Version {
    type Err = InstallError;

    fn from_str(text: &str) -> Result<Self, InstallError> {
        let wrong = || InstallError::Version(text.to_owned());
        let (version, count) = parse(text.trim()).ok_or_else(wrong)?;
        if count == 3 { Ok(version) } else { Err(wrong()) }
    }
}

/// A version and how many numbers were written; what is not written is 0.
fn parse(text: &str) -> Option<(Version, usize)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(version, _build)| version);
    let (numbers, before) = text.split_once('-').unwrap_or((text, ""));
    let written: Vec<&str> = numbers.split('.').collect();
    if written.len() > 3 || text.contains('-') && before.is_empty() {
        return None;
    }
    let mut version = Version { numbers: [0; 3], before: before.to_owned() };
    for (place, number) in version.numbers.iter_mut().zip(&written) {
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *place = number.parse().ok()?;
    }
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !before.is_empty() && !before.split('.').all(is_word) {
        return None;
    }
    Some((version, written.len()))
}

impl Ord for Version {
    /// As semantic versions are ordered.
    fn cmp(&self, other: &Self) -> Ordering {
        let words = |a: &str, b: &str| -> Ordering {
            let (mut a, mut b) = (a.split('.'), b.split('.'));
            loop {
                let order = match (a.next(), b.next()) {
                    (None, None) => return Ordering::Equal,
                    (None, Some(_)) => Ordering::Less,
                    (Some(_), None) => Ordering::Greater,
                    (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                        (Ok(a), Ok(b)) => a.cmp(&b),
                        (Ok(_), Err(_)) => Ordering::Less,
                        (Err(_), Ok(_)) => Ordering::Greater,
                        (Err(_), Err(_)) => a.cmp(b),
                    },
                };
                if order.is_ne() {
                    return order;
                }
            }
        };
        self.numbers.cmp(&other.numbers).then_with(|| match (self.is_prerelease(), other.is_prerelease()) {
            (false, false) => Ordering::Equal,
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (true, true) => words(&self.before, &other.before),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.is_prerelease() { write!(f, "-{}", self.before) } else { Ok(()) }
    }
}

/// What versions are allowed; all of them when empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    text: String,
    rules: Vec<(Operator, Version)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Constraints {
    /// What all of them allow.
    pub fn all<'c>(parts: impl IntoIterator<Item = &'c Constraints>) -> Self {
        let mut all = Constraints::default();
        let mut texts: Vec<&str> = Vec::new();
        for part in parts {
            if !part.text.is_empty() && !texts.contains(&part.text.as_str()) {
                texts.push(&part.text);
                all.rules.extend(part.rules.iter().cloned());
            }
        }
        all.text = texts.join(", ");
        all
    }

    /// Whether a version is allowed. One before a release is so only where it is named exactly.
    pub fn allow(&self, version: &Version) -> bool {
        let named = self.rules.iter().any(|(operator, of)| *operator == Operator::Equal && of == version);
        (named || !version.is_prerelease()) && self.hold(version)
    }

    /// Whether a version that was chosen is within them, also one before a release that something else names exactly.
    pub fn hold(&self, version: &Version) -> bool {
        self.rules.iter().all(|(operator, of)| match operator {
            Operator::Equal => version == of,
            Operator::Unequal => version != of,
            Operator::Above => version > of,
            Operator::AtLeast => version >= of,
            Operator::Below => version < of,
            Operator::AtMost => version <= of,
        })
    }
}

impl FromStr for Constraints {
    type Err = InstallError;

    fn from_str(text: &str) -> Result<Self, InstallError> {
        let wrong = || InstallError::Constraint(text.to_owned());
        let mut rules = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                if text.trim().is_empty() { break } else { return Err(wrong()) }
            }
            let split = part.find(|c: char| !matches!(c, '=' | '!' | '<' | '>' | '~')).ok_or_else(wrong)?;
            let (operator, version) = part.split_at_checked(split).ok_or_else(wrong)?;
            let (version, count) = parse(version.trim()).ok_or_else(wrong)?;
            match operator {
                "" | "=" => rules.push((Operator::Equal, version)),
                "!=" => rules.push((Operator::Unequal, version)),
                ">" => rules.push((Operator::Above, version)),
                ">=" => rules.push((Operator::AtLeast, version)),
                "<" => rules.push((Operator::Below, version)),
                "<=" => rules.push((Operator::AtMost, version)),
                // The last number that is written may grow.
                "~>" => {
                    let [major, minor, _] = version.numbers;
                    let next =
                        if count > 2 { [major, minor.saturating_add(1), 0] } else { [major.saturating_add(1), 0, 0] };
                    rules.push((Operator::AtLeast, version));
                    rules.push((Operator::Below, Version { numbers: next, before: String::new() }));
                }
                _ => return Err(wrong()),
            }
        }
        Ok(Constraints { text: text.trim().to_owned(), rules })
    }
}

impl fmt::Display for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "any version" } else { &self.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(constraints: &str, allowed: &[&str], refused: &[&str]) {
        let parsed: Constraints = constraints.parse().unwrap();
        for (versions, wanted) in [(allowed, true), (refused, false)] {
            for version in versions {
                assert_eq!(parsed.allow(&version.parse().unwrap()), wanted, "{constraints}: {version}");
            }
        }
    }

    #[test]
    fn constraints() {
        check("", &["0.1.0", "9.9.9"], &["1.0.0-rc1"]);
        check("3.39.0", &["3.39.0"], &["3.39.1"]);
        check("= 1.2", &["1.2.0"], &["1.2.1"]);
        check("~> 1.2", &["1.2.0", "1.99.0"], &["1.1.9", "2.0.0"]);
        check("~> 1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]);
        check("~> 1", &["1.0.0", "1.9.0"], &["2.0.0"]);
        check(">= 1.0, != 1.5.0, < 2", &["1.4.0"], &["1.5.0", "2.0.0", "0.9.0"]);
        check("= 1.0.0-beta.2", &["1.0.0-beta.2"], &["1.0.0", "1.0.0-beta.1"]);
        for wrong in ["=> 1", "1.x", "~>", "1,,2", "1.2.3.4", ">= "] {
            assert!(wrong.parse::<Constraints>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_several_ask_for_holds_for_all_of_them() {
        let all = |parts: &[&str]| {
            let parts: Vec<Constraints> = parts.iter().map(|part| part.parse().unwrap()).collect();
            Constraints::all(&parts)
        };
        assert_eq!(all(&["~> 1.0", "", "< 1.5", "~> 1.0"]).to_string(), "~> 1.0, < 1.5");
        assert_eq!(all(&[]), Constraints::default());
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(all(&["~> 1.0", "< 1.5"]).allow(&version("1.4.0")));
        assert!(!all(&["~> 1.0", "< 1.5"]).allow(&version("1.5.0")));
        // One that something else names exactly is within what does not forbid it.
        let before = version("1.2.0-rc1");
        assert!(all(&[">= 1.0", "= 1.2.0-rc1"]).allow(&before));
        let open: Constraints = ">= 1.0".parse().unwrap();
        assert!(open.hold(&before) && !open.allow(&before));
    }

    #[test]
    fn versions_are_ordered() {
        let order =
            ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "1.0.10"];
        let versions: Vec<Version> = order.iter().map(|text| text.parse().unwrap()).collect();
        assert!(versions.is_sorted());
        assert!("1.2".parse::<Version>().is_err());
    }
}
